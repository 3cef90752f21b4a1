// The main job on sample data: pushes a folder into a repository on disk, changes it, pushes again, lists, pulls both
// versions, compares.
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertEqual, makeSampleData, runIn } from './demo-data.ts'

const folder = mkdtempSync(join(tmpdir(), 'colab-escape-demo-'))
const run = runIn(folder, { COLAB_ESCAPE_CACHE: join(folder, 'cache'), COLAB_ESCAPE_STORE: join(folder, 'store') })

try {
  console.log(`Sample data and a repository in ${folder}`)
  const data = makeSampleData(folder)
  await run('push', 'data', '-m', 'first version')
  appendFileSync(join(data, 'orders.csv'), '60000,2026-11-23,99.90\n')
  await run('push', 'data', '-m', 'one order more', '--tag', 'best')
  await run('log', 'data')
  await run('pull', 'data', 'restored')
  await run('pull', 'data~1', 'restored-before')
  await run('check', '--read-data')
  assertEqual(data, join(folder, 'restored'))
  console.log('\nThe restored copy equals the source, byte for byte:')
  console.log(`  ${readdirSync(join(folder, 'restored')).join('  ')}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

// The main job on sample data: push a folder into a repository on disk, change it, push again, list, pull both versions, compare.
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../bin/colab-escape.cjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'colab-escape-demo-'))
const environment = { ...process.env, COLAB_ESCAPE_CACHE: join(folder, 'cache'), COLAB_ESCAPE_STORE: join(folder, 'store') }

function run(...args) {
  console.log(`\n$ colab-escape ${args.join(' ')}`)
  const { status } = spawnSync(process.execPath, [PROGRAM, ...args], { cwd: folder, env: environment, stdio: 'inherit' })
  if (status !== 0) throw new Error(`it ended with exit code ${status}`)
}

function makeSampleData() {
  const data = join(folder, 'data')
  mkdirSync(join(data, 'texts'), { recursive: true })
  mkdirSync(join(data, 'empty'))
  let row = 1
  const random = () => (row = (row * 48271) % 2147483647)
  const lines = Array.from(
    { length: 60_000 },
    (_, i) => `${i},2026-11-${String(1 + (random() % 28)).padStart(2, '0')},${(random() % 100000) / 100}`,
  )
  writeFileSync(join(data, 'orders.csv'), `id,day,price\n${lines.join('\n')}\n`)
  for (let i = 0; i < 300; i++) writeFileSync(join(data, 'texts', `${i}.txt`), `text ${i}: ${'lorem ipsum '.repeat(random() % 40)}\n`)
  writeFileSync(join(data, 'weights.bin'), Buffer.from(Float32Array.from({ length: 300_000 }, () => random() / 2147483647 - 0.5).buffer))
  symlinkSync('orders.csv', join(data, 'latest.csv'))
  return data
}

function assertEqual(a, b) {
  const names = folder => readdirSync(folder, { recursive: true, withFileTypes: true })
  const list = folder => names(folder).map(entry => relative(folder, join(entry.parentPath, entry.name)))
  if (list(a).sort().join() !== list(b).sort().join()) throw new Error(`${a} and ${b} hold other files`)
  for (const entry of names(a)) {
    const path = relative(a, join(entry.parentPath, entry.name))
    if (entry.isFile() && !readFileSync(join(a, path)).equals(readFileSync(join(b, path)))) throw new Error(`${path} differs`)
  }
}

try {
  console.log(`Sample data and a repository in ${folder}`)
  const data = makeSampleData()
  run('push', 'data', '-m', 'first version')
  appendFileSync(join(data, 'orders.csv'), '60000,2026-11-23,99.90\n')
  run('push', 'data', '-m', 'one order more', '--tag', 'best')
  run('log', 'data')
  run('pull', 'data', 'restored')
  run('pull', 'data~1', 'restored-before')
  run('check', '--read-data')
  assertEqual(data, join(folder, 'restored'))
  console.log('\nThe restored copy equals the source, byte for byte:')
  console.log(`  ${readdirSync(join(folder, 'restored')).join('  ')}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

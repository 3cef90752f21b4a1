// Makes those golden repositories of test/golden/recipes.ts that do not exist yet: `node scripts/make-golden.mjs [name...]`. It never touches one that exists.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { bundleOptions } from './build.mjs'

const GOLDEN = fileURLToPath(new URL('../test/golden', import.meta.url))
/** Runs one step: arguments are the bundle, the recipe's name, the step's number and the folder of the work. */
const RUN_STEP = `
  const [bundle, name, number, work] = process.argv.slice(1)
  const { recipes, runStep } = await import(bundle)
  await runStep(name, recipes[name].about, recipes[name].steps[number], Number(number), work)`

function runStep(node, ...args) {
  const here = node === undefined || process.versions.node.startsWith(`${node}.`)
  const [command, ...first] = here ? [process.execPath] : ['npx', '-y', '-p', `node@${node}`, 'node']
  // npx joins arguments for a shell, so the program goes in on stdin
  const { status } = spawnSync(command, [...first, '--input-type=module', '-', ...args], {
    input: RUN_STEP.replace('slice(1)', 'slice(2)'),
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  if (status !== 0) throw new Error(`step ${args[2]} of ${args[1]} failed`)
}

const scratch = mkdtempSync(join(tmpdir(), 'colab-escape-golden-'))
try {
  const contents = `export { recipes } from './recipes.ts'; export { runStep } from './stage.ts'`
  const stdin = { contents, resolveDir: GOLDEN, sourcefile: 'golden.ts', loader: 'ts' }
  await build({ ...bundleOptions, stdin, outdir: scratch, outExtension: { '.js': '.mjs' }, write: true })
  const bundle = pathToFileURL(join(scratch, 'stdin.mjs')).href
  const { recipes } = await import(bundle)
  const asked = process.argv.slice(2)
  const names = asked.length > 0 ? asked : Object.keys(recipes).filter(name => !existsSync(join(GOLDEN, name)))
  for (const name of names) {
    if (!(name in recipes)) throw new Error(`there is no recipe ${name}`)
    if (existsSync(join(GOLDEN, name))) throw new Error(`${name} exists: golden repositories are never made again`)
    const work = join(scratch, name)
    mkdirSync(work)
    for (const [number, { node }] of recipes[name].steps.entries()) runStep(node, bundle, name, String(number), work)
    cpSync(work, join(GOLDEN, name), { recursive: true, errorOnExist: true })
    console.log(`made ${name}`)
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

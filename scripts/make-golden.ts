// Makes the golden repositories of test/golden/recipes.ts that do not exist yet:
// `node scripts/run.mjs scripts/make-golden.ts [name...]`. It never touches one that exists.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { recipes } from '../test/golden/recipes.ts'

const GOLDEN = fileURLToPath(new URL('../test/golden', import.meta.url))
const RUN = fileURLToPath(new URL('run.mjs', import.meta.url))
const STEP = fileURLToPath(new URL('golden-step.ts', import.meta.url))

/** Runs a step on the Node that its recipe asks for. */
function runStep(node: number | undefined, name: string, number: number, folder: string): void {
  const here = node === undefined || process.versions.node.startsWith(`${node}.`)
  const [command, ...first] = here ? [process.execPath] : ['npx', '-y', '-p', `node@${node}`, 'node']
  const { status } = spawnSync(command, [...first, RUN, STEP, name, String(number), folder], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`step ${number} of ${name} failed`)
}

const asked = process.argv.slice(2)
const names = asked.length > 0 ? asked : Object.keys(recipes).filter(name => !existsSync(join(GOLDEN, name)))
const scratch = mkdtempSync(join(tmpdir(), 'colab-escape-golden-'))
try {
  for (const name of names) {
    const recipe = recipes[name]
    if (recipe === undefined) throw new Error(`there is no recipe ${name}`)
    if (existsSync(join(GOLDEN, name))) throw new Error(`${name} exists: golden repositories are never made again`)
    const folder = join(scratch, name)
    mkdirSync(folder)
    for (const [number, { node }] of recipe.steps.entries()) runStep(node, name, number, folder)
    cpSync(folder, join(GOLDEN, name), { recursive: true, errorOnExist: true })
    console.log(`made ${name}`)
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

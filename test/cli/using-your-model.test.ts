import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bf16, fp32, network, safetensors, tuned } from '../helpers/tensors.ts'
import { expectSameTree, makeTree, type TreeNode } from '../helpers/trees.ts'

const GUIDE = readFileSync(new URL('../../docs/using-your-model.md', import.meta.url), 'utf8')
const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

/** The lines to run below a heading, each block in its language. Those of a notebook's cell are for a shell, too. */
function blocksOf(heading: string): { python: boolean; text: string }[] {
  const section = GUIDE.split(/^## /m).find(text => text.startsWith(`${heading}\n`))!
  const blocks = Array.from(section.matchAll(/^```(\w*)\n([^]*?)^```$/gm), ([, language, text]) => ({
    python: language === 'python',
    text: text!.replace(/^!/gm, ''),
  }))
  expect(blocks.length, heading).toBeGreaterThan(0)
  return blocks
}

/** Python that goes on from the guide's. */
const COMPARE = `print(config, weights == open('model.safetensors', 'rb').read())\n`

const weights = network(1, [20_000, 5_000, 64])
const before = safetensors(fp32(weights))
const trainedOn = fp32(tuned(weights, 2, 1e-3))
const after = safetensors(trainedOn)
const layer = Buffer.from(trainedOn[0]!.data)
const treeOf = (best: Uint8Array, valLoss: number): Record<string, TreeNode> => ({
  'exp1/best.safetensors': best,
  'exp1/last.safetensors': safetensors(bf16(weights)),
  'exp1/config.json': JSON.stringify({ layers: 3, valLoss }),
  'exp1/log.jsonl': `{"step":1}\n{"step":2,"val_loss":${valLoss}}\n`,
})

let folder: string
let env: Record<string, string | undefined>

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'colab-escape-test-'))
  makeTree(folder, {
    'bin/colab-escape': `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`,
    'bin/npx': `#!/bin/sh\n[ "$1 $2" = '-y colab-escape' ] || exit 9\nshift 2\nexec colab-escape "$@"\n`,
  })
  for (const name of ['colab-escape', 'npx']) chmodSync(join(folder, 'bin', name), 0o755)
  env = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env['PATH']!}`,
    COLAB_ESCAPE_STORE: join(folder, 'store'),
    NO_COLOR: '1',
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function run(place: string, command: string, args: string[]): string {
  const cwd = join(folder, place)
  mkdirSync(cwd, { recursive: true })
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: { ...env, COLAB_ESCAPE_CACHE: join(folder, `cache-${place}`) },
    encoding: 'utf8',
  })
  expect(status, `${args.at(-1)!}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

/** Runs what stands below a heading, in a folder that is a machine of its own. */
const follow = (place: string, heading: string, then = ''): string =>
  blocksOf(heading)
    .map(({ python, text }) =>
      python ? run(place, 'python3', ['-c', text + then]) : run(place, 'bash', ['-e', '-o', 'pipefail', '-c', text]),
    )
    .join('')

const bytesAt = (...parts: string[]): Buffer => readFileSync(join(folder, ...parts))

test('every line of the guide does what it says', () => {
  const source = join(folder, 'colab', 'runs')
  makeTree(source, treeOf(before, 0.31))
  expect(follow('colab', 'Saved in Colab')).toMatch(/^Pushed runs@/)
  // trained on, and for the worse
  makeTree(source, treeOf(after, 0.4))
  run('colab', 'bash', ['-c', 'colab-escape push runs --metric val_loss=0.4'])

  const seen = follow('laptop', 'What is there')
  for (const text of ['  val_loss', '  0.31', '  0.4', 'exp1/config.json', 'layers.0.weight', 'layers.2.weight'])
    expect(seen, seen).toContain(text)
  expect(readdirSync(join(folder, 'laptop'))).toEqual([])

  follow('laptop', 'On a laptop')
  expect(readdirSync(join(folder, 'laptop', 'runs'), { recursive: true }).sort()).toEqual(['exp1', 'exp1/best.safetensors'])
  expect(bytesAt('laptop/runs/exp1/best.safetensors').equals(after)).toBe(true)
  expect(bytesAt('laptop/best.safetensors').equals(after)).toBe(true)
  const part = bytesAt('laptop/part.safetensors')
  expect(part.subarray(-layer.length).equals(layer)).toBe(true)
  expect(part.length - layer.length).toBeLessThan(300)
  expect(bytesAt('laptop/best-run/exp1/best.safetensors').equals(before)).toBe(true)
  expect(readdirSync(join(folder, 'laptop/best-run/exp1')).sort()).toEqual(readdirSync(join(source, 'exp1')).sort())
  expect(bytesAt('laptop/model.safetensors').equals(before)).toBe(true)

  writeFileSync(join(folder, 'laptop', 'config.json'), 'an old one')
  rmSync(join(folder, 'laptop', 'model.safetensors'))
  const printed = follow('laptop', 'In a script', COMPARE)
  expect(printed).toBe(`{"step":2,"val_loss":0.4}\n{'layers': 3, 'valLoss': 0.31} True\n`)
  expect(bytesAt('laptop/model.safetensors').equals(before)).toBe(true)
  expect(JSON.parse(bytesAt('laptop/config.json').toString())).toEqual({ layers: 3, valLoss: 0.31 })

  expect(follow('fresh', 'In a fresh Colab')).toMatch(/^Pulled runs@[^]*\nNothing changed: runs is identical to/)
  expectSameTree(join(folder, 'fresh', 'runs'), source)
})

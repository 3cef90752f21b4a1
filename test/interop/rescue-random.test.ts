import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ExpectedEntry } from '../golden/trees.ts'
import type { Run } from '../golden/rescue-runs.ts'
import { withFolder } from '../helpers/folders.ts'
import { listByProgram, rescueEach, restoreByProgram, storeOf, treeOf, writeFolders, type ListedVersion } from './rescue/both.ts'
import { mutations, type Mutated } from './rescue/mutations.ts'
import { Chance } from './rescue/random-tree.ts'
import { randomRepository, type RandomRepository } from './rescue/random-repository.ts'

/*
 * Random repositories, whole and damaged in many ways: the program and rescue.py restore the same bytes.
 * RESCUE_SEEDS=500 takes more seeds, RESCUE_SEED=17 takes that one alone.
 */
const COUNT = Number(process.env.RESCUE_SEEDS ?? 12)
const ONE = process.env.RESCUE_SEED
const seeds = ONE === undefined ? Array.from({ length: COUNT }, (_, i) => i + 1) : [Number(ONE)]

const SET_IDS = 0o6000
/** Bits that no pull of a stranger's files has to restore. */
const SPECIAL = 0o7000

const without = (tree: readonly ExpectedEntry[], bits: number): string[] =>
  tree.map(entry => JSON.stringify({ ...entry, mode: (parseInt(entry.mode, 8) & ~bits).toString(8) }))

interface Case {
  kind: string
  folder: string
  mutated: Mutated
}

/** `list`, then each version in the order of `pushed`. */
const runsOf = ({ folder, mutated }: Case): string[][] => [
  [folder, 'list'],
  ...[...mutated.pushed.keys()].map(id => [folder, 'restore', id, join(`${folder} restored`, id)]),
]

async function compare({ kind, folder, mutated }: Case, repository: RandomRepository, runs: readonly Run[]): Promise<void> {
  const storage = await storeOf(mutated, folder)
  const listed = runs[0]!
  const lines = listed.stdout.split('\n').slice(0, -1)
  compareLists(kind, mutated, lines, await listByProgram(storage), [...mutated.pushed.keys()])
  const names = new Map(lines.map(line => [/@([0-9a-f]{12}) {2}/.exec(line)![1]!, line.slice(0, line.search(/@[0-9a-f]{12} {2}/))]))
  for (const [number, [id, pushed]] of [...mutated.pushed].entries()) {
    const run = runs[number + 1]!
    const what = `${kind}: ${id.slice(0, 12)}\n${run.stderr}`
    const tree = treeOf(join(`${folder} restored`, id))
    // everything restored is what was pushed, and the receipt is true
    const missing = without(pushed, SET_IDS).filter(entry => !without(tree, SET_IDS).includes(entry))
    expect(without(pushed, SET_IDS), what).toEqual(expect.arrayContaining(without(tree, 0)))
    expect(run.code === 0, what).toBe(missing.length === 0)
    if (mutated.whole === true) expect(missing, what).toEqual([])
    const name = names.get(id.slice(0, 12))
    if (name === undefined) continue
    const { tree: pulled, refused, damaged } = await restoreByProgram(storage, `${name}@${id}`, join(folder, '..', 'pulled'))
    expect(without(tree, SPECIAL), what).toEqual(expect.arrayContaining(without(pulled, SPECIAL)))
    if (mutated.more === true) continue
    if (refused) expect(run.code, what).toBe(1)
    else expect(without(tree, SPECIAL), what).toEqual(without(pulled, SPECIAL))
    expect(damaged, what).toBe(run.code === 1)
  }
}

function compareLists(
  kind: string,
  mutated: Mutated,
  lines: readonly string[],
  listed: ListedVersion[] | undefined,
  pushed: string[],
): void {
  const plain = lines.map(line => line.replace(/ {2}INCOMPLETE: .*/, ''))
  if (mutated.absurd === true) {
    const order = lines.map(line => /@([0-9a-f]{12}) {2}/.exec(line)![1])
    expect(order, kind).toEqual(pushed.map(id => id.slice(0, 12)))
  } else if (mutated.more === true) expect(plain, kind).toEqual(expect.arrayContaining(listed?.map(({ line }) => line) ?? []))
  else expect(plain, kind).toEqual(listed?.map(({ line }) => line))
}

test.each(seeds)('repository %i: the program and rescue.py restore the same', async seed => {
  await withFolder(async work => {
    const repository = await randomRepository(seed, work)
    const chance = new Chance(seed)
    const cases = Object.entries(mutations).map(([kind, mutate], i): Case => {
      return { kind, folder: join(work, String(i)), mutated: mutate(repository, chance) }
    })
    await writeFolders(cases, chance)
    const runs = await rescueEach(cases.flatMap(runsOf))
    for (const each of cases) await compare(each, repository, runs.splice(0, runsOf(each).length))
  })
})

import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ExpectedEntry } from '../golden/trees.ts'
import type { Run } from '../golden/rescue-runs.ts'
import { withFolder } from '../helpers/folders.ts'
import { restoredMode } from '../../src/local/restored-mode.ts'
import { contextOf } from '../helpers/in-process.ts'
import { listByProgram, REFUSED, rescueEach, restoreByProgram, storeOf, treeOf, writeFolders, type ListedVersion } from './rescue/both.ts'
import { mutations, type Mutated } from './rescue/mutations.ts'
import { Chance } from './rescue/random-tree.ts'
import { randomRepository } from './rescue/random-repository.ts'

/*
 * Random repositories, whole and damaged in many ways: the program and rescue.py restore the same bytes.
 * RESCUE_SEEDS=500 takes as many seeds, RESCUE_FROM=n begins elsewhere, and RESCUE_SEED=n takes that one alone, all
 * with every kind of damage.
 */
const { RESCUE_SEEDS: MANY, RESCUE_FROM: FROM, RESCUE_SEED: ONE } = process.env
const seeds = ONE === undefined ? Array.from({ length: Number(MANY ?? 12) }, (_, i) => i + Number(FROM ?? 1)) : [Number(ONE)]
/** How many of the kinds of damage each seed takes: all seeds together take each of them several times. */
const KINDS_PER_SEED = ONE === undefined && MANY === undefined ? 5 : Infinity

const linesOf = (tree: readonly ExpectedEntry[]): string[] => tree.map(entry => JSON.stringify(entry))

/** As a restore leaves it: only what is not a symlink has a mode of its own. */
const restored = (tree: readonly ExpectedEntry[]): string[] =>
  linesOf(tree.map(entry => (entry.type === 'symlink' ? entry : { ...entry, mode: restoredMode(parseInt(entry.mode, 8)).toString(8) })))

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

async function compare({ kind, folder, mutated }: Case, runs: readonly Run[]): Promise<void> {
  const context = contextOf(await storeOf(mutated, folder))
  try {
    const listed = runs[0]!.stdout.split('\n').slice(0, -1)
    compareLists(kind, mutated, listed, await listByProgram(context))
    for (const [number, [id, pushed]] of [...mutated.pushed].entries()) {
      const run = runs[number + 1]!
      const what = `${kind}: ${id.slice(0, 12)}\n${run.stderr}`
      const tree = treeOf(join(`${folder} restored`, id))
      // everything restored is what was pushed, and the exit code says whether that is all
      expect(restored(pushed), what).toEqual(expect.arrayContaining(linesOf(tree)))
      expect(tree.length === pushed.length, what).toBe(run.code === 0)
      if (mutated.whole === true) expect(run.code, what).toBe(0)
      const name = listed.map(line => line.split(`@${id.slice(0, 12)}  `)).find(parts => parts.length > 1)?.[0]
      const pulled = name === undefined ? REFUSED : await restoreByProgram(context, `${name}@${id}`, join(folder, '..', 'pulled'))
      expect(linesOf(tree), what).toEqual(expect.arrayContaining(linesOf(pulled.tree)))
      if (mutated.more === true) continue
      if (!pulled.refused) expect(linesOf(tree), what).toEqual(linesOf(pulled.tree))
      expect(pulled.damaged, what).toBe(run.code === 1)
    }
  } finally {
    await context.pool.close()
  }
}

function compareLists(kind: string, mutated: Mutated, lines: readonly string[], listed: ListedVersion[] | undefined): void {
  const plain = lines.map(line => line.replace(/ {2}INCOMPLETE: .*/, ''))
  if (mutated.absurd === true) {
    const ids = lines.map(line => /@([0-9a-f]{12}) {2}/.exec(line)![1])
    expect(ids, kind).toEqual([...mutated.pushed.keys()].map(id => id.slice(0, 12)))
  } else if (mutated.more === true) expect(plain, kind).toEqual(expect.arrayContaining(listed?.map(({ line }) => line) ?? []))
  else expect(plain, kind).toEqual(listed?.map(({ line }) => line))
}

test.each(seeds)(
  'repository %i: the program and rescue.py restore the same',
  seed =>
    withFolder(async work => {
      const repository = await randomRepository(seed, work)
      const kinds = new Chance(seed).shuffled([...Object.entries(mutations).entries()]).slice(0, KINDS_PER_SEED)
      const cases = kinds.map(([number, [kind, mutate]]): Case => {
        return { kind, folder: join(work, String(number)), mutated: mutate(repository, new Chance(1000 * seed + number)) }
      })
      await writeFolders(cases, new Chance(seed))
      const runs = await rescueEach(cases.flatMap(runsOf))
      for (const each of cases) await compare(each, runs.splice(0, runsOf(each).length))
    }),
  300_000, // all kinds of damage on a busy machine
)

import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { walk, type WalkResult } from '../../src/local/walk.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

/** Files that a push may hold, with their content in each of the states that the source goes through. */
const STATES = 5
const CONTENTS: Record<string, (state: number) => Buffer> = {
  'model.bin': state => seededNoise(100 + state, 3000),
  'optimizer.bin': state => seededNoise(200 + state, 1200),
  'metrics.csv': state => seededText(300, 500 * (state + 1)),
  'notes/readme.txt': () => seededText(400, 200),
  'data/a.bin': () => seededNoise(500, 2500),
  'data/b.bin': state => seededNoise(600 + (state >> 1), 900),
}
/** Goes up in a resumable session. */
const LARGE = 'data/large.bin'
export const FILE_NAMES = Object.keys(CONTENTS)

/** What a version must give back: the SHA-256 of each file. */
export type Picture = ReadonlyMap<string, string>

/** The states of a source. They are made once, and every push reads them. */
export class Sources {
  private readonly folder = mkdtempSync(join(tmpdir(), 'colab-escape-simulation-'))
  private readonly walked: WalkResult[] = []
  private readonly hashes: Map<string, string>[] = []

  static readonly states = STATES

  async make(): Promise<this> {
    for (let state = 0; state < STATES; state++) {
      const root = join(this.folder, String(state))
      const files = new Map([
        ...Object.entries(CONTENTS).map(([path, make]) => [path, make(state)] as const),
        [LARGE, seededNoise(700, 5_200_000)] as const,
      ])
      makeTree(root, Object.fromEntries(files))
      // times and modes are part of a version, so they must be the same in each run
      for (const path of [...files.keys(), 'notes', 'data']) utimesSync(join(root, path), 1_760_000_000, 1_760_000_000)
      const { entries, ...rest } = await walk(root, { reporter: silentReporter })
      this.walked.push({
        ...rest,
        root: '/content/data',
        entries: entries.map(entry => ({ ...entry, mode: entry.type === 'file' ? 0o644 : 0o755 })),
      })
      this.hashes.push(new Map([...files].map(([path, bytes]) => [path, sha256Hex(bytes)])))
    }
    return this
  }

  /** A state of the source, with only these of its files. */
  of(state: number, names: readonly string[], large: boolean): { source: WalkResult; picture: Picture } {
    const all = this.walked[state]!
    const chosen = new Set([...names, ...(large ? [LARGE] : [])])
    const entries = all.entries.filter(({ path, type }) => type !== 'file' || chosen.has(path))
    return { source: { ...all, entries }, picture: new Map([...chosen].map(path => [path, this.hashes[state]!.get(path)!])) }
  }

  /** The content of a file in any of its states. */
  anyOf(path: string): Set<string> {
    return new Set(this.hashes.map(hashes => hashes.get(path)!))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

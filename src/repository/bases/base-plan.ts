import type { WalkedEntry } from '../../local/walk.ts'
import { groupBy } from '../../util/group-by.ts'
import { comparePaths } from '../../util/paths.ts'
import { compareInSeries, seriesOf, type SeriesPosition } from './file-series.ts'
import { spansOf } from './file-tensors.ts'
import { sharedShare, type TensorSummary, summaryOf } from './tensor-summary.ts'

/** Extensions of files that hold tensors. The header of any other file is read in advance only if it is large. */
const NAMES = /\.(safetensors|pt|pth|ckpt|bin|npz|npy|keras|h5|hdf5|gguf|onnx|tflite|msgpack|mat|pkl|pickle|joblib|data-\d{5}-of-\d{5})$/i
const MIN_BYTES = 4 * 1024
const LARGE_BYTES = 1024 * 1024
/** Files whose headers are compared with the header of each new file, at most, for each relation. */
const MAX_PREDECESSORS = 3
const MAX_ORIGINALS = 6
/** Files before and after a file, in the order of their paths, among which its bases are looked for. */
const REACH = 500
/** A file may be an export of an original that has this share of its tensors and is this many times as large. */
const MIN_SHARED = 0.5
const ORIGINAL_SIZES = [1.8, 20] as const

interface Candidate {
  file: WalkedEntry
  path: string
  position: SeriesPosition
}

/** Whether a file may hold tensors, by its name and size. */
export function mayHold(path: string, size: number): boolean {
  return size >= LARGE_BYTES || (size >= MIN_BYTES && NAMES.test(path))
}

/**
 * Decides by headers which files of a push may be bases of others: the file before it in a numbered series, if it has
 * the same tensors; and for a bf16 or fp16 file the fp32 original that it may be an export of.
 */
export class BasePlan {
  /** Paths of files that may be bases of others. */
  readonly bases = new Set<string>()
  private readonly basesOf = new Map<string, WalkedEntry[]>()
  /** By path: all candidates, and those of each last number in their paths. */
  private readonly candidates: readonly Candidate[]
  private readonly numbered: ReadonlyMap<number | undefined, readonly Candidate[]>
  /** The sizes of all candidates, ascending. */
  private readonly sizes: Float64Array
  private readonly newFiles: readonly Candidate[]
  private readonly series = new Map<string, Candidate[]>()
  /** The place of a file in its series. */
  private readonly places = new Map<WalkedEntry, number>()
  private readonly summaries = new Map<WalkedEntry, TensorSummary | undefined>()

  /** `isNew` is true for a file that will be read. */
  constructor(files: readonly WalkedEntry[], isNew: (file: WalkedEntry) => boolean) {
    this.candidates = files
      .filter(({ path, fingerprint }) => mayHold(path, fingerprint.size))
      .map(file => ({ file, path: file.path, position: seriesOf(file.path) }))
      .sort((a, b) => comparePaths(a.path, b.path))
    this.numbered = groupBy(this.candidates, lastNumber)
    this.sizes = Float64Array.from(this.candidates, ({ file }) => file.fingerprint.size).sort()
    this.newFiles = this.candidates.filter(({ file }) => isNew(file))
    if (this.newFiles.length === 0) return
    for (const candidate of this.candidates) {
      const members = this.series.get(candidate.position.series)
      if (members) members.push(candidate)
      else this.series.set(candidate.position.series, [candidate])
    }
    for (const members of this.series.values()) {
      members.sort(compareInSeries)
      for (const [place, { file }] of members.entries()) this.places.set(file, place)
    }
  }

  /** Reads headers and finds the bases. */
  async findBases(): Promise<void> {
    for (const candidate of this.newFiles) {
      const found = [...(await this.originals(candidate)), ...(await this.predecessors(candidate))]
      if (found.length === 0) continue
      this.basesOf.set(candidate.path, found)
      for (const { path } of found) this.bases.add(path)
    }
  }

  of(path: string): readonly WalkedEntry[] {
    return this.basesOf.get(path) ?? []
  }

  /** Whether another file of the series is on disk. If so, this one need not be cached. */
  hasSeries(path: string): boolean {
    return (this.series.get(seriesOf(path).series)?.length ?? 0) > 1
  }

  /** The same files in another order: each comes after its possible bases. */
  ordered(files: readonly WalkedEntry[]): WalkedEntry[] {
    if (this.bases.size === 0) return [...files]
    const out = new Set<WalkedEntry>()
    const begun = new Set<WalkedEntry>()
    for (const file of files) {
      const waiting = [file]
      for (let next = waiting.at(-1); next !== undefined; next = waiting.at(-1)) {
        const missing = begun.has(next) ? undefined : this.of(next.path).filter(base => !out.has(base) && !begun.has(base))
        begun.add(next)
        if (missing && missing.length > 0) waiting.push(...missing)
        else out.add(waiting.pop()!)
      }
    }
    return [...out]
  }

  private async predecessors({ file, position }: Candidate): Promise<WalkedEntry[]> {
    const members = this.series.get(position.series)!
    const { size } = file.fingerprint
    const near = (other: WalkedEntry): boolean => Math.abs(other.fingerprint.size - size) <= Math.max(64 * 1024, size / 50)
    const earlier: Candidate[] = []
    const place = this.places.get(file)!
    for (let at = place - 1; at >= Math.max(0, place - REACH) && earlier.length < MAX_PREDECESSORS; at--)
      if (near(members[at]!.file)) earlier.push(members[at]!)
    if (earlier.length === 0) return []
    const own = await this.summary(file)
    for (const member of earlier) if (own && (await this.summary(member.file))?.signature === own.signature) return [member.file]
    return []
  }

  private async originals(candidate: Candidate): Promise<WalkedEntry[]> {
    const { file } = candidate
    const [least, most] = ORIGINAL_SIZES.map(times => times * file.fingerprint.size) as [number, number]
    const smallest = this.sizes[firstWhere(this.sizes.length, at => this.sizes[at]! >= least)]
    if (smallest === undefined || smallest > most) return []
    const own = await this.summary(file)
    if (own?.dtype !== 'BF16' && own?.dtype !== 'F16') return []
    const near = new Set([this.candidates, this.numbered.get(lastNumber(candidate))!].flatMap(all => neighbours(all, candidate)))
    const larger = [...near].filter(({ file: { fingerprint } }) => fingerprint.size >= least && fingerprint.size <= most)
    const ranked = larger.map(original => ({ original, rank: rankOf(candidate, original) })).sort((a, b) => compareRanks(a.rank, b.rank))
    const found: WalkedEntry[] = []
    for (const { original } of ranked.slice(0, MAX_ORIGINALS)) {
      const summary = await this.summary(original.file)
      if (summary?.dtype === 'F32' && sharedShare(own.tensors, summary.tensors) >= MIN_SHARED) found.push(original.file)
    }
    return found.slice(0, MAX_PREDECESSORS)
  }

  private async summary(file: WalkedEntry): Promise<TensorSummary | undefined> {
    if (!this.summaries.has(file)) {
      const spans = await spansOf(file)
      this.summaries.set(file, spans && summaryOf(spans))
    }
    return this.summaries.get(file)
  }
}

const lastNumber = ({ position }: Candidate): number | undefined => position.numbers.at(-1)

/** Those of `all`, which are in the order of their paths, that are near a candidate: folders near by are among them. */
function neighbours(all: readonly Candidate[], { path }: Candidate): Candidate[] {
  const at = firstWhere(all.length, i => comparePaths(all[i]!.path, path) >= 0)
  return all.slice(Math.max(0, at - REACH), at + REACH)
}

/** The first number below `count` that meets a condition, which all after it meet too; `count` if there is none. */
function firstWhere(count: number, isMet: (at: number) => boolean): number {
  let [from, to] = [0, count]
  while (from < to) {
    const middle = (from + to) >> 1
    if (isMet(middle)) to = middle
    else from = middle + 1
  }
  return from
}

/** Ranks originals, the best first: the same number, then a folder near by, then about the same time. */
function rankOf(candidate: Candidate, original: Candidate): number[] {
  const [a, b] = [candidate, original].map(lastNumber)
  const names = original.path.split('/')
  const shared = candidate.path.split('/').findIndex((name, i) => name !== names[i])
  const apart = candidate.file.fingerprint.mtime - original.file.fingerprint.mtime
  return [a === b ? 0 : 1, -shared, Number(apart < 0n ? -apart : apart)]
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i])
  return at < 0 ? 0 : a[at]! - b[at]!
}

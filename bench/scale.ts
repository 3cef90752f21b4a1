import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeCorpus } from './make-corpus.ts'
import { isSame, measure, type Measurement, sizeOf, type Summary, summary, warmUp } from './measure.ts'
import { megabytes, perSecond, seconds, table } from './report.ts'
import { makeBigFile, makeManyFiles } from './scale-data.ts'
import type { Tool } from './tools.ts'

/** The tools that are compared for the small files, and for content of every kind. */
const PEERS_OF_MANY = ['restic-auto']
const PEERS_OF_ALL_KINDS = ['tar-t2']
/** All tools treat a file that changed this shortly before a push as one that may still be changing. */
const SETTLED_MS = 3000

export interface ScaleOptions {
  tools: readonly Tool[]
  runs: number
  /** A tenth of the data. */
  small: boolean
  /** A folder for temporary data. */
  work: string
  log: (line: string) => void
}

export interface ScaleResult extends Summary {
  title: string
  step: string
  tool: Tool
  /** Bytes that are pushed. */
  input: number
  /** Bytes in the store after the push. */
  stored: number | undefined
}

/**
 * Pushes many small files, pushes them again unchanged and restores them; pushes and restores one large file, and a
 * folder with content of every kind.
 */
export async function measureScale({ tools, runs, small, work, log }: ScaleOptions): Promise<ScaleResult[]> {
  const own = tools.filter(tool => tool.id.startsWith('node') && tool.version !== undefined)
  const withPeers = (ids: readonly string[]): Tool[] => [
    ...own,
    ...tools.filter(tool => ids.includes(tool.id) && tool.version !== undefined),
  ]
  const count = small ? 10_000 : 100_000
  const bytes = small ? 400e6 : 4e9
  const results: ScaleResult[] = []
  const step = async (
    title: string,
    make: (source: string) => unknown,
    compared: readonly Tool[],
    options: Pick<StepOptions, 'again' | 'keep'>,
  ): Promise<void> => {
    const source = join(work, 'source')
    mkdirSync(source)
    make(source)
    await sleep(SETTLED_MS)
    results.push(...(await runSteps({ title, source, tools: compared, runs, work: join(work, 'runs'), log, ...options })))
    for (const folder of ['source', 'runs']) rmSync(join(work, folder), { recursive: true })
  }
  const many = `${count.toLocaleString('en')} small files`
  await step(many, source => makeManyFiles(source, count), withPeers(PEERS_OF_MANY), { again: true, keep: true })
  const big = `one file of ${bytes / 1e6} MB`
  await step(big, source => makeBigFile(join(source, 'big.bin'), bytes), own, { again: false, keep: false })
  await step('five versions of a project, side by side', source => makeCorpus(source, { small }), withPeers(PEERS_OF_ALL_KINDS), {
    again: false,
    keep: false,
  })
  return results
}

interface StepOptions extends Omit<ScaleOptions, 'small'> {
  title: string
  source: string
  /** Push once more, with nothing changed. */
  again: boolean
  /**
   * Delete nothing until the end: ext4 needs several times as long to make files when many were deleted in the last
   * minute, and the next tool would pay for it.
   */
  keep: boolean
}

async function runSteps({ title, source, again, keep, tools, runs, work, log }: StepOptions): Promise<ScaleResult[]> {
  const input = sizeOf(source)
  const steps = ['push', ...(again ? ['push, nothing changed'] : []), 'pull']
  const results = new Map(tools.map(tool => [tool, { measured: steps.map((): Measurement[] => []), stored: 0 }]))
  for (let run = 0; run < runs; run++) {
    for (const tool of tools) {
      const place = join(work, `run-${run}`, tool.id)
      const target = join(place, 'restored')
      const scratch = join(place, 'time')
      const result = results.get(tool)!
      mkdirSync(target, { recursive: true })
      if (tool.init) await measure(tool.init(place), scratch)
      warmUp(source)
      for (const [i, step] of steps.entries()) {
        const measured = await measure(step === 'pull' ? tool.pull(place, 1, target) : tool.push(place, source, i + 1), scratch)
        result.measured[i]!.push(measured)
        if (step === 'push') result.stored = sizeOf(tool.store(place))
        log(`run ${run + 1}, ${title}, ${tool.id}, ${step}: ${seconds(measured.seconds)} s, ${megabytes(measured.peakBytes)} MB peak`)
      }
      if (!isSame(source, target)) throw new Error(`${tool.id} did not restore what it was given: ${title}`)
      if (!keep) rmSync(place, { recursive: true })
    }
  }
  return [...results].flatMap(([tool, { measured, stored }]) =>
    steps.map((step, i) => ({ title, step, tool, input, stored: step === 'push' ? stored : undefined, ...summary(measured[i]!) })),
  )
}

/** The results as Markdown. */
export function scaleTable(results: readonly ScaleResult[]): string {
  return table(
    ['what', 'MB', 'step', 'tool', 'seconds', 'CPU seconds', 'MB/s', 'stored MB', 'peak MB'],
    results.map(({ title, input, step, tool, seconds: wall, cpuSeconds, stored, peakBytes }) => [
      ...[title, megabytes(input, 0), step, tool.label, seconds(wall), seconds(cpuSeconds)],
      ...[perSecond(input, wall), stored === undefined ? '' : megabytes(stored), megabytes(peakBytes, 0)],
    ]),
  )
}

// Shows where the time of a push and a pull goes: `npm run bench:performance -- --help`.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { bundleOptions } from '../scripts/build.ts'
import { type Limit, measureLimits } from './limits.ts'
import { makeCorpus } from './make-corpus.ts'
import { besideTar } from './beside-tar.ts'
import { type Command, measure, type Measurement, sizeOf, warmUp } from './measure.ts'
import { megabytes, perSecond, replacePart, seconds, table } from './report.ts'
import { stagesOf } from './stages.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const REPORT = join(ROOT, 'docs', 'performance.md')
const CORES = availableParallelism()
const SAMPLING_MICROSECONDS = 500
/** Bytes a second of the emulated Drive's profile "colab". */
const LINK_RATE = 100e6

const HELP = `npm run bench:performance -- [options]

A version of a project pushed to a folder, pushed again after the version before it, and pulled: which stage takes how much of
the cores, and what this machine could do at most. Then the CPU seconds of a first push and its pull, beside tar and zstd.

  --corpus <folder>   folders v3 and v4 of a project (default: a made one)
  --small             a tenth of the made corpus
  --runs <n>          repetitions beside tar and zstd; medians are reported (default 3)
  --write             put the tables into docs/performance.md
`

const { values: options } = parseArgs({
  options: {
    corpus: { type: 'string' },
    small: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

/** Builds the program with source maps. */
async function buildWithMaps(folder: string): Promise<void> {
  const entryPoints = ['src/cli.ts', 'src/worker.ts']
  await build({ ...bundleOptions, entryPoints, outdir: join(folder, 'dist'), sourcemap: 'external', write: true })
  cpSync(join(ROOT, 'bin'), join(folder, 'bin'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
}

interface Result extends Measurement {
  title: string
  /** Bytes in the store afterwards. */
  stored: number
  /** CPU milliseconds by stage. */
  stages: Map<string, number>
}

async function run(work: string): Promise<Record<'stages' | 'beside tar', string>> {
  const runs = Number(options.runs)
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${options.runs} is not a number of repetitions`)
  const program = join(work, 'program')
  await buildWithMaps(program)
  const corpus = options.corpus === undefined ? join(work, 'corpus') : resolve(options.corpus)
  if (options.corpus === undefined) makeCorpus(corpus, { small: options.small })
  const v3 = join(corpus, 'v3')
  const v4 = join(corpus, 'v4')
  if (![v3, v4].every(existsSync)) throw new Error(`${corpus} lacks v3 or v4`)

  const env = { COLAB_ESCAPE_CACHE: join(work, 'cache'), COLAB_ESCAPE_ZSTD: '' }
  const command = (store: string, args: string[], profiles?: string): Command => ({
    argv: [
      process.execPath,
      ...(profiles ? ['--cpu-prof', '--cpu-prof-interval', String(SAMPLING_MICROSECONDS), '--cpu-prof-dir', profiles] : []),
      ...[join(program, 'bin', 'colab-escape.cjs'), ...args, '--store', join(work, store), '--quiet'],
    ],
    cwd: work,
    env,
  })
  warmUp(corpus)
  const steps = [
    { title: 'push of a first version', store: 'first', args: ['push', v4, '--name', 'project'] },
    {
      title: 'push of the next version',
      store: 'next',
      before: ['push', v3, '--name', 'project'],
      args: ['push', v4, '--name', 'project'],
    },
    { title: 'pull', store: 'next', args: ['pull', 'project', join(work, 'pulled')] },
  ]
  const results: Result[] = []
  for (const [number, { title, store, before, args }] of steps.entries()) {
    const profiles = join(work, `profiles-${number}`)
    mkdirSync(profiles)
    if (before) await measure(command(store, before), join(work, 'time'))
    const measured = await measure(command(store, args, profiles), join(work, 'time'))
    results.push({ title, ...measured, stored: sizeOf(join(work, store)), stages: stagesOf(profiles, program) })
  }
  const limits = limitTable(await measureLimits(v4, work), sizeOf(v4), results[0]!)
  return {
    stages: `${provenance(sizeOf(v4), 'with a profiler')}\n${describe(sizeOf(v4), results)}\n${limits}`,
    'beside tar': `${provenance(sizeOf(v4), `medians of ${runs}`)}\n${await besideTar(v4, runs, join(work, 'beside'), line => console.error(line))}`,
  }
}

function describe(bytes: number, results: readonly Result[]): string {
  const names = [...new Set(results.flatMap(({ stages }) => [...stages.keys()]))]
  const share = (milliseconds: number, { seconds: wall }: Result): string => ((milliseconds / 1000 / (wall * CORES)) * 100).toFixed(1)
  const rows = names.map(name => [name, ...results.map(result => share(result.stages.get(name) ?? 0, result))])
  const profiled = ({ stages }: Result): number => [...stages.values()].reduce((sum, each) => sum + each, 0)
  const rest = (result: Result): number => Math.max(0, (result.cpuSeconds ?? NaN) * 1000 - profiled(result))
  const all = results.map(result => share(profiled(result) + rest(result), result))
  return table(
    ['% of all cores', ...results.map(({ title }) => title)],
    [
      ...rows,
      ['threads that are not profiled: files, collecting, compiling', ...results.map(result => share(rest(result), result))],
      ['all of it', ...all],
      ['seconds', ...results.map(({ seconds: wall }) => seconds(wall))],
      ['CPU seconds', ...results.map(({ cpuSeconds }) => seconds(cpuSeconds))],
      ['MB/s', ...results.map(({ seconds: wall }) => perSecond(bytes, wall))],
    ],
  )
}

function provenance(bytes: number, how: string): string {
  const flags = [
    options.corpus === undefined ? '' : ' --corpus <folder>',
    options.small ? ' --small' : '',
    options.runs === '3' ? '' : ` --runs ${options.runs}`,
    options.write ? ' --write' : '',
  ].join('')
  const day = new Date().toISOString().slice(0, 10)
  return [
    `Measured on ${day}, ${CORES} CPUs, ${process.platform}, Node ${process.versions.node}: ${megabytes(bytes, 0)} MB, a folder store, a warm file cache, ${how}.\n`,
    `    npm run bench:performance${flags === '' ? '' : ` --${flags}`}\n`,
  ].join('\n')
}

function limitTable(limits: readonly Limit[], bytes: number, push: Result): string {
  const heads = ['what one core, the disk, or the link, can do at most', 'MB/s', 'MB', 'seconds', '% of the first push']
  const row = (title: string, rate: number, size: number): string[] => {
    const least = size / 1e6 / rate
    return [title, rate.toFixed(0), megabytes(size, 0), seconds(least), ((100 * least) / push.seconds).toFixed(0)]
  }
  const rows = limits.map(({ title, rate }) => row(title, rate, bytes))
  return table(heads, [...rows, row('sending what is stored, profile colab', LINK_RATE / 1e6, push.stored)])
}

if (options.help) process.stdout.write(HELP)
else {
  const work = mkdtempSync(join(tmpdir(), 'colab-escape-performance-'))
  try {
    for (const [part, text] of Object.entries(await run(work))) {
      console.log(text)
      if (options.write) replacePart(REPORT, part, text)
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

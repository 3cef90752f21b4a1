// Measures colab-escape beside rclone, restic over rclone and tar | zstd | rclone rcat on the emulated Drive:
// `npm run bench:drive -- --help`.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeCharts } from '../chart.ts'
import { makeCorpus } from '../make-corpus.ts'
import { type Command, isSame, measure, type Measurement, median, rotated, sizeOf, summary } from '../measure.ts'
import { megabytes, ratio, replacePart, seconds, table } from '../report.ts'
import { incompressible } from '../seeded.ts'
import { versionOf } from '../tools.ts'
import type { Counts, Hello } from './world.ts'

const REPORT = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url))
const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

const PROFILES = ['colab', 'home']
const RESTIC = versionOf('restic', ['version'])
const PEERS = [versionOf('rclone', ['version']), RESTIC, versionOf('tar', ['--version']), versionOf('zstd', ['--version'])].filter(
  version => version !== undefined,
)

const HELP = `npm run bench:drive -- [options]

Pieces of work on the emulated Drive: a folder of small files pushed, pushed again and pulled; versions of a project pushed,
and the last one pulled; all versions pushed as one folder into a repository of its own, and pulled.

  --profile <name>    how fast that Drive is: ${PROFILES.join(' or ')} (default: ${PROFILES[0]})
  --corpus <folder>   folders v1, v3 and v4 of a project (default: a made one)
  --small             a tenth of the made corpus
  --runs <n>          repetitions, each with an empty Drive; medians are reported (default 1)
  --without-copy      without rclone copy, which takes minutes
  --write             put the tables into docs/benchmarks.md, and draw its charts anew

It needs rclone, tar and zstd. restic is left out where it is not installed.
`

const { values: options } = parseArgs({
  options: {
    profile: { type: 'string', default: 'colab' },
    corpus: { type: 'string' },
    small: { type: 'boolean', default: false },
    runs: { type: 'string', default: '1' },
    'without-copy': { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (options.help) {
  process.stdout.write(HELP)
  process.exit()
}
if (!PROFILES.includes(options.profile)) {
  console.error(`there is no profile ${options.profile}; there are ${PROFILES.join(' and ')}`)
  process.exit(2)
}

const runs = Number(options.runs)
if (!Number.isInteger(runs) || runs < 1) {
  console.error(`--runs ${options.runs} is not a number of repetitions`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'colab-escape-bench-drive-'))
const log = (line: string): void => console.error(line)

interface World extends Hello {
  reset: () => void
  counts: () => Promise<Counts>
  close: () => void
}

async function startWorld(): Promise<World> {
  const run = fileURLToPath(new URL('../../scripts/run.mjs', import.meta.url))
  const entry = fileURLToPath(new URL('world.ts', import.meta.url))
  const child = fork(run, [entry, options.profile], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [hello] = (await once(child, 'message')) as [Hello]
  const counts = async (): Promise<Counts> => {
    child.send('counts')
    const [answer] = (await once(child, 'message')) as [Counts]
    return answer
  }
  return { ...hello, counts, reset: () => child.send('reset'), close: () => child.send('close') }
}

/** Makes 600 files, 7 MB in all. Half of each is text, half does not compress. */
function makeSmallFiles(folder: string): void {
  const noiseOf = incompressible('small files')
  for (let i = 0; i < 600; i++) {
    const path = join(folder, `part-${i % 12}`)
    mkdirSync(path, { recursive: true })
    const noise = noiseOf(6_000)
    const text = Buffer.from(`row ${i}, `.repeat(700).slice(0, 5_700))
    writeFileSync(join(path, `${i}.dat`), Buffer.concat([noise, text]))
  }
}

interface Step {
  title: string
  /** A folder to push. */
  source?: string
  /** The folder that a pull must give back. */
  pull?: string
  name: string
  /** The machine is the one of the step before, with its cache. */
  same?: true
}

interface Tool {
  id: string
  /** Run once, before all steps. */
  prepare?: Command[]
  /** Whether it takes part in a step; absent: in all. */
  does?: (step: Step) => boolean
  /** Pushes `source` as `name`. */
  push: (source: string, name: string, machine: string) => Command
  /** Pulls the newest version of `name` into `target`. */
  pull: (name: string, target: string) => Command
}

/** The tools in a world of one run, whose files are in `work`. */
function toolsOf(world: World, work: string): Tool[] {
  const home = join(work, 'home')
  mkdirSync(home, { recursive: true })
  const own = {
    COLAB_ESCAPE_GOOGLE_ENDPOINT: world.url,
    COLAB_ESCAPE_TOKEN: world.accessToken,
    COLAB_ESCAPE_CONFIG: join(work, 'config'),
  }
  const program = [process.execPath, PROGRAM, '--quiet']
  const restic = { ...world.env, RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(work, 'restic-cache') }
  // the whole project goes into a repository of its own
  const placeOf = (name: string): string => (name === 'whole' ? 'whole' : 'ours')
  const resticOf = (place: string): string[] => ['restic', '-r', `rclone:gdrive:restic-${place}`]
  const tar = (name: string): string => `tar -C "$1" -cf - . | zstd -3 -T2 | rclone rcat gdrive:tar/${name}.tar.zst`
  return [
    {
      id: 'colab-escape',
      // every machine has a cache of its own
      push: (source, name, machine) => ({
        argv: [...program, 'push', source, '--name', name, '--store', `drive:${placeOf(name)}`],
        env: { ...own, COLAB_ESCAPE_CACHE: join(work, machine) },
      }),
      pull: (name, target) => ({
        argv: [...program, 'pull', name, target, '--store', `drive:${placeOf(name)}`],
        env: { ...own, COLAB_ESCAPE_CACHE: join(work, 'new-machine') },
      }),
    },
    ...(options['without-copy']
      ? []
      : [
          {
            id: 'rclone copy',
            // it copies file by file, without versions
            does: (step: Step) => step.name === 'small',
            push: (source: string, name: string) => ({
              argv: ['rclone', 'copy', source, `gdrive:copy/${name}`, '--transfers', '8'],
              env: world.env,
            }),
            pull: (name: string, target: string) => ({
              argv: ['rclone', 'copy', `gdrive:copy/${name}`, target, '--transfers', '8'],
              env: world.env,
            }),
          },
        ]),
    ...(RESTIC === undefined
      ? []
      : [
          {
            id: 'restic over rclone',
            prepare: ['ours', 'whole'].map(place => ({ argv: [...resticOf(place), 'init', '--repository-version', '2'], env: restic })),
            push: (source: string, name: string) => ({
              argv: [...resticOf(placeOf(name)), 'backup', '--tag', name, '.'],
              cwd: source,
              env: restic,
            }),
            pull: (name: string, target: string) => ({
              argv: [...resticOf(placeOf(name)), 'restore', 'latest', '--tag', name, '--target', target],
              env: restic,
            }),
          },
        ]),
    {
      id: 'tar, zstd -3, rclone rcat',
      push: (source, name) => ({ argv: ['sh', '-c', tar(name), 'sh', source], env: world.env }),
      pull: (name, target) => ({
        argv: ['sh', '-c', `mkdir -p "$1" && rclone cat gdrive:tar/${name}.tar.zst | zstd -dc | tar -C "$1" -xf -`, 'sh', target],
        env: world.env,
      }),
    },
  ]
}

interface Result extends Counts, Measurement {}

/** By the title of a step and the tool, one a run. */
type Results = Map<string, Result[]>

const keyOf = (step: Step, toolId: string): string => `${step.title} ${toolId}`

/** Does all steps with every tool on an empty Drive; another tool is first at each step. */
async function runOnce(run: number, steps: readonly Step[], results: Results): Promise<{ ids: string[]; bytesPerSecond: number }> {
  const work = join(folder, `run-${run}`)
  mkdirSync(work)
  const world = await startWorld()
  try {
    const tools = toolsOf(world, work)
    for (const { prepare = [] } of tools) for (const command of prepare) await measure(command, join(work, 'time'))
    for (const [number, step] of steps.entries()) {
      for (const tool of rotated(tools, run + number)) {
        if (tool.does?.(step) === false) continue
        world.reset()
        const target = join(work, `pulled-${tool.id.replace(/\W/g, '')}`)
        const machine = `machine-${tools.indexOf(tool)}-${step.same ? number - 1 : number}`
        const command = step.source === undefined ? tool.pull(step.name, target) : tool.push(step.source, step.name, machine)
        const measured = await measure(command, join(work, 'time'))
        if (step.pull && !isSame(step.pull, target)) throw new Error(`${tool.id} did not give back what it had been given`)
        rmSync(target, { recursive: true, force: true })
        const counts = await world.counts()
        log(
          `run ${run + 1}, ${step.title}, ${tool.id}: ${seconds(measured.seconds)} s, ${seconds(measured.cpuSeconds)} CPU s, ` +
            `${counts.requests} calls, ${megabytes(measured.peakBytes, 0)} MB peak`,
        )
        const key = keyOf(step, tool.id)
        results.set(key, [...(results.get(key) ?? []), { ...measured, ...counts }])
      }
    }
    return { ids: tools.map(({ id }) => id), bytesPerSecond: world.bytesPerSecond }
  } finally {
    world.close()
    rmSync(work, { recursive: true, force: true })
  }
}

function stepsOf(): Step[] {
  const small = join(folder, 'small')
  makeSmallFiles(small)
  const changed = join(folder, 'small-changed')
  cpSync(small, changed, { recursive: true, preserveTimestamps: true })
  appendFileSync(join(changed, 'part-3', '3.dat'), 'one row more')
  const corpus = options.corpus ? resolve(options.corpus) : join(folder, 'corpus')
  if (!options.corpus) makeCorpus(corpus, { small: options.small })
  const [v1, v3, v4] = [join(corpus, 'v1'), join(corpus, 'v3'), join(corpus, 'v4')] as const
  if (![v1, v3, v4].every(version => existsSync(version))) throw new Error(`${corpus} lacks v1, v3 or v4`)
  return [
    { title: 'first push of 600 files, 7 MB', source: small, name: 'small' },
    { title: 'later push, one file changed', source: changed, name: 'small' },
    { title: 'push, nothing changed', source: changed, name: 'small', same: true },
    { title: 'pull of 600 files', pull: changed, name: 'small' },
    { title: `first push of a project, ${megabytes(sizeOf(v1), 0)} MB`, source: v1, name: 'project' },
    { title: `its third version, ${megabytes(sizeOf(v3), 0)} MB`, source: v3, name: 'project' },
    { title: `its fourth version, ${megabytes(sizeOf(v4), 0)} MB`, source: v4, name: 'project' },
    { title: `pull of ${megabytes(sizeOf(v4), 0)} MB`, pull: v4, name: 'project' },
    { title: `the whole project, all versions, ${megabytes(sizeOf(corpus), 0)} MB`, source: corpus, name: 'whole' },
    { title: `pull of ${megabytes(sizeOf(corpus), 0)} MB`, pull: corpus, name: 'whole' },
  ]
}

async function main(): Promise<void> {
  const steps = stepsOf()
  const results: Results = new Map()
  let ids: string[] = []
  let bytesPerSecond = NaN
  for (let run = 0; run < runs; run++) ({ ids, bytesPerSecond } = await runOnce(run, steps, results))
  const of = (step: Step, id: string): Result[] => results.get(keyOf(step, id)) ?? []
  const timeOf = (step: Step, id: string): number | undefined => median(of(step, id).map(result => result.seconds))
  const callsOf = (step: Step, id: string): number => median(of(step, id).map(({ requests }) => requests)) ?? NaN
  const [own, tar] = [ids[0]!, ids.at(-1)!]

  const compared = steps.map(step => {
    const cell = (id: string): string =>
      of(step, id).length === 0 ? '-' : `${seconds(timeOf(step, id))} s, ${Math.round(callsOf(step, id))} calls`
    return [step.title, ...ids.map(cell), ratio(timeOf(step, own), timeOf(step, tar))]
  })
  const cpu = steps.map(step => {
    const cpuOf = (id: string): number | undefined => summary(of(step, id)).cpuSeconds
    return [step.title, ...ids.map(id => seconds(cpuOf(id))), ratio(cpuOf(own), cpuOf(tar))]
  })
  const link = steps.map(step => {
    const { sent, fetched } = of(step, own)[0]!
    const share = (100 * (sent + fetched)) / bytesPerSecond / (timeOf(step, own) ?? NaN)
    return [step.title, megabytes(sent), megabytes(fetched), share.toFixed(0), megabytes(summary(of(step, own)).peakBytes, 0)]
  })
  const text = [
    table(['work', ...ids, 'ours / tar'], compared),
    table(['CPU seconds of', ...ids, 'ours / tar'], cpu),
    table(['colab-escape', 'MB sent', 'MB fetched', '% of what the link could carry', 'peak MB'], link),
  ].join('\n')
  const flags = [
    options.corpus ? ' --corpus <folder>' : '',
    options.small ? ' --small' : '',
    options.profile === 'colab' ? '' : ` --profile ${options.profile}`,
    runs === 1 ? '' : ` --runs ${runs}`,
    options['without-copy'] ? ' --without-copy' : '',
    options.write ? ' --write' : '',
  ].join('')
  const day = new Date().toISOString().slice(0, 10)
  const programs = [`Node ${process.versions.node}`, ...PEERS].join(', ')
  const about = `Measured on ${day}, ${availableParallelism()} CPUs, ${programs}; emulated Drive, profile "${options.profile}".\n\n    npm run bench:drive --${flags}\n`
  console.log(`${about}\n${text}`)
  if (!options.write) return
  replacePart(REPORT, `drive ${options.profile}`, `${about}\n${text}`)
  writeCharts()
}

try {
  await main()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

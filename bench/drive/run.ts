// Measures colab-escape beside rclone, restic over rclone and tar | zstd | rclone rcat on the emulated Drive:
// `npm run bench:drive -- --help`.
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeCharts } from '../chart.ts'
import { makeCorpus } from '../make-corpus.ts'
import { type Command, isSame, measure, sizeOf } from '../measure.ts'
import { megabytes, ratio, replacePart, seconds, table } from '../report.ts'
import { incompressible } from '../seeded.ts'
import type { Counts, Hello } from './world.ts'

const REPORT = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url))
const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

const PROFILES = ['colab', 'home']

const HELP = `npm run bench:drive -- [options]

Pieces of work on the emulated Drive: a folder of small files pushed, pushed again and pulled; versions of a project pushed,
and the last one pulled; all versions pushed as one folder into a repository of its own, and pulled.

  --profile <name>    how fast that Drive is: ${PROFILES.join(' or ')} (default: ${PROFILES[0]})
  --corpus <folder>   folders v1, v3 and v4 of a project (default: a made one)
  --without-copy      without rclone copy, which takes minutes
  --write             put the table into docs/benchmarks.md, and draw its charts anew

It needs rclone, restic, tar and zstd.
`

const { values: options } = parseArgs({
  options: {
    profile: { type: 'string', default: 'colab' },
    corpus: { type: 'string' },
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

const work = mkdtempSync(join(tmpdir(), 'colab-escape-bench-drive-'))
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

function toolsOf(world: World): Tool[] {
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
    {
      id: 'restic over rclone',
      prepare: ['ours', 'whole'].map(place => ({ argv: [...resticOf(place), 'init', '--repository-version', '2'], env: restic })),
      push: (source, name) => ({ argv: [...resticOf(placeOf(name)), 'backup', '--tag', name, '.'], cwd: source, env: restic }),
      pull: (name, target) => ({
        argv: [...resticOf(placeOf(name)), 'restore', 'latest', '--tag', name, '--target', target],
        env: restic,
      }),
    },
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

interface Result extends Counts {
  time: number
  peakBytes: number | undefined
}

async function main(): Promise<void> {
  const world = await startWorld()
  const tools = toolsOf(world)
  const small = join(work, 'small')
  makeSmallFiles(small)
  const changed = join(work, 'small-changed')
  cpSync(small, changed, { recursive: true, preserveTimestamps: true })
  appendFileSync(join(changed, 'part-3', '3.dat'), 'one row more')
  const corpus = options.corpus ? resolve(options.corpus) : join(work, 'corpus')
  if (!options.corpus) makeCorpus(corpus, { small: false })
  const [v1, v3, v4] = [join(corpus, 'v1'), join(corpus, 'v3'), join(corpus, 'v4')] as const
  if (![v1, v3, v4].every(version => existsSync(version))) throw new Error(`${corpus} lacks v1, v3 or v4`)

  const steps: Step[] = [
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
  const results = new Map<string, Result>()
  for (const { prepare = [] } of tools) for (const command of prepare) await measure(command, join(work, 'time'))
  for (const [number, step] of steps.entries()) {
    for (const tool of tools) {
      if (tool.does?.(step) === false) continue
      world.reset()
      const target = join(work, `pulled-${tool.id.replace(/\W/g, '')}`)
      const machine = step.same ? `machine-${tools.indexOf(tool)}-${number - 1}` : `machine-${tools.indexOf(tool)}-${number}`
      const { seconds: time, peakBytes } = await measure(
        step.source === undefined ? tool.pull(step.name, target) : tool.push(step.source, step.name, machine),
        join(work, 'time'),
      )
      if (step.pull && !isSame(step.pull, target)) throw new Error(`${tool.id} did not give back what it had been given`)
      rmSync(target, { recursive: true, force: true })
      const { requests, sent, fetched } = await world.counts()
      log(`${step.title}: ${tool.id}, ${seconds(time)} s, ${requests} calls, ${megabytes(peakBytes, 0)} MB peak`)
      results.set(`${step.title} ${tool.id}`, { time, peakBytes, requests, sent, fetched })
    }
  }
  world.close()
  const rows = steps.map(({ title }) => {
    const of = (tool: Tool): Result | undefined => results.get(`${title} ${tool.id}`)
    const cell = (result: Result | undefined): string =>
      result === undefined ? '-' : `${seconds(result.time)} s, ${result.requests} calls`
    return [title, ...tools.map(tool => cell(of(tool))), ratio(of(tools[0]!)?.time, of(tools.at(-1)!)?.time)]
  })
  const link = steps.map(({ title }) => {
    const { time, peakBytes, sent, fetched } = results.get(`${title} ${tools[0]!.id}`)!
    return [
      title,
      megabytes(sent),
      megabytes(fetched),
      ((100 * (sent + fetched)) / world.bytesPerSecond / time).toFixed(0),
      megabytes(peakBytes, 0),
    ]
  })
  const compared = table(['work', ...tools.map(tool => tool.id), 'ours / tar'], rows)
  const text = `${compared}\n${table(['colab-escape', 'MB sent', 'MB fetched', '% of what the link could carry', 'peak MB'], link)}`
  const version = (command: string): string => spawnSync(command, ['version'], { encoding: 'utf8' }).stdout.split('\n')[0]!
  const flags = [
    options.corpus ? ' --corpus <folder>' : '',
    options.profile === 'colab' ? '' : ` --profile ${options.profile}`,
    options['without-copy'] ? ' --without-copy' : '',
  ].join('')
  const day = new Date().toISOString().slice(0, 10)
  const programs = `Node ${process.versions.node}, ${version('rclone')}, ${version('restic')}`
  const about = `Measured on ${day}, ${availableParallelism()} CPUs, ${programs}; emulated Drive, profile "${options.profile}".\n\n    npm run bench:drive --${flags}\n`
  console.log(`${about}\n${text}`)
  if (!options.write) return
  replacePart(REPORT, `drive ${options.profile}`, `${about}\n${text}`)
  writeCharts()
}

try {
  await main()
} finally {
  rmSync(work, { recursive: true, force: true })
}

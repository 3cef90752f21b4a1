// Measures colab-escape beside rclone, restic over rclone and tar | zstd | rclone rcat on the emulated Drive: `npm run bench:drive -- --help`.
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { writeCharts } from '../chart.mjs'
import { makeCorpus } from '../make-corpus.mjs'
import { isSame, measure, sizeOf } from '../measure.mjs'
import { megabytes, ratio, replacePart, seconds, table } from '../report.mjs'
import { incompressible } from '../seeded.mjs'

const REPORT = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url))
const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

const PROFILES = ['colab', 'home']

const HELP = `npm run bench:drive -- [options]

Pieces of work on the emulated Drive: a folder of small files pushed, pushed again and pulled; versions of a project pushed, and the last one pulled; all versions pushed
as one folder into a repository of its own, and pulled.

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
const log = line => console.error(line)

async function startWorld() {
  const outfile = join(work, 'world.mjs')
  const entry = fileURLToPath(new URL('world.ts', import.meta.url))
  await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile, logLevel: 'warning' })
  const child = fork(outfile, [options.profile], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [hello] = await once(child, 'message')
  const ask = async message => {
    child.send(message)
    return (await once(child, 'message'))[0]
  }
  return { ...hello, reset: () => child.send('reset'), counts: () => ask('counts'), close: () => child.send('close') }
}

/** 600 files, 7 MB in all: text, numbers, and some that do not compress. */
function makeSmallFiles(folder) {
  const noiseOf = incompressible('small files')
  for (let i = 0; i < 600; i++) {
    const path = join(folder, `part-${i % 12}`)
    mkdirSync(path, { recursive: true })
    const noise = noiseOf(6_000)
    const text = Buffer.from(`row ${i}, `.repeat(700).slice(0, 5_700))
    writeFileSync(join(path, `${i}.dat`), Buffer.concat([noise, text]))
  }
}

/** Each tool: how it pushes `source` as `name`, and how it pulls the newest into `target`. */
function toolsOf(world) {
  const home = join(work, 'home')
  mkdirSync(home, { recursive: true })
  const own = {
    COLAB_ESCAPE_GOOGLE_ENDPOINT: world.url,
    COLAB_ESCAPE_TOKEN: world.accessToken,
    COLAB_ESCAPE_CONFIG: join(work, 'config'),
  }
  const program = [process.execPath, PROGRAM, '--quiet']
  const restic = { ...world.env, RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(work, 'restic-cache') }
  // a repository, or folder, of its own for the work that calls for one
  const placeOf = name => (name === 'whole' ? 'whole' : 'ours')
  const resticOf = place => ['restic', '-r', `rclone:gdrive:restic-${place}`]
  const tar = name => `tar -C "$1" -cf - . | zstd -3 -T2 | rclone rcat gdrive:tar/${name}.tar.zst`
  return [
    {
      id: 'colab-escape',
      // every run is a machine of its own: no cache of an earlier one
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
            // it copies file by file and keeps what is gone: of versions it knows nothing
            does: step => step.name === 'small',
            push: (source, name) => ({ argv: ['rclone', 'copy', source, `gdrive:copy/${name}`, '--transfers', '8'], env: world.env }),
            pull: (name, target) => ({ argv: ['rclone', 'copy', `gdrive:copy/${name}`, target, '--transfers', '8'], env: world.env }),
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

async function main() {
  const world = await startWorld()
  const tools = toolsOf(world)
  const small = join(work, 'small')
  makeSmallFiles(small)
  const changed = join(work, 'small-changed')
  cpSync(small, changed, { recursive: true, preserveTimestamps: true })
  appendFileSync(join(changed, 'part-3', '3.dat'), 'one row more')
  const corpus = options.corpus ? resolve(options.corpus) : join(work, 'corpus')
  if (!options.corpus) makeCorpus(corpus, { small: false })
  const [v1, v3, v4] = ['v1', 'v3', 'v4'].map(version => join(corpus, version))
  if (![v1, v3, v4].every(existsSync)) throw new Error(`${corpus} lacks v1, v3 or v4`)

  const steps = [
    { what: 'first push of 600 files, 7 MB', source: small, name: 'small' },
    { what: 'later push, one file changed', source: changed, name: 'small' },
    { what: 'push, nothing changed', source: changed, name: 'small', same: true },
    { what: 'pull of 600 files', pull: changed, name: 'small' },
    { what: `first push of a project, ${megabytes(sizeOf(v1), 0)} MB`, source: v1, name: 'project' },
    { what: `its third version, ${megabytes(sizeOf(v3), 0)} MB`, source: v3, name: 'project' },
    { what: `its fourth version, ${megabytes(sizeOf(v4), 0)} MB`, source: v4, name: 'project' },
    { what: `pull of ${megabytes(sizeOf(v4), 0)} MB`, pull: v4, name: 'project' },
    { what: `the whole project, all versions, ${megabytes(sizeOf(corpus), 0)} MB`, source: corpus, name: 'whole' },
    { what: `pull of ${megabytes(sizeOf(corpus), 0)} MB`, pull: corpus, name: 'whole' },
  ]
  const results = new Map()
  for (const { prepare = [] } of tools) for (const command of prepare) await measure(command, join(work, 'time'))
  for (const [number, step] of steps.entries()) {
    for (const tool of tools) {
      if (tool.does?.(step) === false) continue
      world.reset()
      const target = join(work, `pulled-${tool.id.replace(/\W/g, '')}`)
      const machine = step.same ? `machine-${tools.indexOf(tool)}-${number - 1}` : `machine-${tools.indexOf(tool)}-${number}`
      const { seconds: time, peakBytes } = await measure(
        step.pull ? tool.pull(step.name, target) : tool.push(step.source, step.name, machine),
        join(work, 'time'),
      )
      if (step.pull && !isSame(step.pull, target)) throw new Error(`${tool.id} did not give back what it had been given`)
      rmSync(target, { recursive: true, force: true })
      const { requests, sent, fetched } = await world.counts()
      log(`${step.what}: ${tool.id}, ${seconds(time)} s, ${requests} calls, ${megabytes(peakBytes, 0)} MB peak`)
      results.set(`${step.what} ${tool.id}`, { time, peakBytes, requests, sent, fetched })
    }
  }
  world.close()
  const rows = steps.map(({ what }) => {
    const of = tool => results.get(`${what} ${tool.id}`)
    const last = of(tools.at(-1))
    const cell = result => (result === undefined ? '-' : `${seconds(result.time)} s, ${result.requests} calls`)
    return [what, ...tools.map(tool => cell(of(tool))), ratio(of(tools[0]).time, last.time)]
  })
  const link = steps.map(({ what }) => {
    const { time, peakBytes, sent, fetched } = results.get(`${what} ${tools[0].id}`)
    return [
      what,
      megabytes(sent),
      megabytes(fetched),
      ((100 * (sent + fetched)) / world.bytesPerSecond / time).toFixed(0),
      megabytes(peakBytes, 0),
    ]
  })
  const compared = table(['work', ...tools.map(tool => tool.id), 'ours / tar'], rows)
  const text = `${compared}\n${table(['colab-escape', 'MB sent', 'MB fetched', '% of what the link could carry', 'peak MB'], link)}`
  const version = command => spawnSync(command, ['version'], { encoding: 'utf8' }).stdout.split('\n')[0]
  const flags = [
    options.corpus ? ' --corpus <folder>' : '',
    options.profile === 'colab' ? '' : ` --profile ${options.profile}`,
    options['without-copy'] ? ' --without-copy' : '',
  ].join('')
  const about = `Measured on ${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} CPUs, Node ${process.versions.node}, ${version('rclone')}, ${version('restic')}; emulated Drive, profile "${options.profile}".\n\n    npm run bench:drive --${flags}\n`
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

// Runs the benches one after the other and writes their tables: `npm run bench:all -- --help`.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { replacePart } from './report.ts'

const run = fileURLToPath(new URL('../scripts/run.mjs', import.meta.url))
const PERFORMANCE = fileURLToPath(new URL('../docs/performance.md', import.meta.url))

const HELP = `npm run bench:all -- [options]

All benches whose tables are in docs/benchmarks.md and docs/performance.md, and puts their tables there. For a machine that does
nothing else. A bench that fails does not stop those after it.

  --corpus <folder>   folders v1, v2, ... of a project (default: a made one)
  --only <list>       some of them, by the names that a run prints
  --small             every bench with little data, and once, to see that all of them work; writes nothing
`

const { values: options } = parseArgs({
  options: {
    corpus: { type: 'string' },
    only: { type: 'string' },
    small: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

interface Bench {
  name: string
  file: string
  node?: string[]
  args?: string[]
  /** Instead of `args` where there is as little to do as possible. */
  small?: string[]
  takesCorpus?: true
  /** The part of docs/performance.md that this bench, which writes no file, is for; and what its first line says. */
  prints?: { part: string; as: 'lines' | 'a table'; about: string }
}

const BENCHES: Bench[] = [
  { name: 'starting', file: 'starting.ts', small: ['--runs', '1'] },
  { name: 'performance', file: 'performance.ts', small: ['--small', '--runs', '1'], takesCorpus: true },
  { name: 'versions', file: 'run.ts', small: ['--small', '--runs', '1', '--tools', 'node20,node24,tar-t1,tar-t2'], takesCorpus: true },
  { name: 'drive', file: 'drive/run.ts', small: ['--small', '--without-copy'], takesCorpus: true },
  {
    name: 'home',
    file: 'drive/run.ts',
    args: ['--profile', 'home', '--without-copy'],
    small: ['--profile', 'home', '--without-copy', '--small'],
    takesCorpus: true,
  },
  {
    name: 'scale',
    file: 'run.ts',
    args: ['--scale', '--runs', '1', '--tools', 'node20,node24,tar-t2'],
    small: ['--scale-small', '--runs', '1', '--tools', 'node20'],
  },
  {
    name: 'growing',
    file: 'growing-repository.ts',
    small: ['20'],
    prints: { part: 'growing', as: 'a table', about: ': 100 files, 2 kB more in one of them each time; medians of ten pushes' },
  },
  {
    name: 'index',
    file: 'simulate-index.ts',
    node: ['--expose-gc'],
    small: ['0.1'],
    prints: { part: 'index', as: 'lines', about: '' },
  },
  {
    name: 'null-push',
    file: 'null-push.ts',
    node: ['--expose-gc'],
    small: ['0.1'],
    prints: { part: 'null push', as: 'lines', about: '' },
  },
]

/** False if a bench fails. */
function carryOut({ name, file, node = [], args = [], small = [], takesCorpus, prints }: Bench): boolean {
  const corpus = takesCorpus && options.corpus ? ['--corpus', options.corpus] : []
  const entry = fileURLToPath(new URL(file, import.meta.url))
  const argv = [...node, run, entry, ...(options.small ? small : args), ...corpus, ...(options.small || prints ? [] : ['--write'])]
  const { status, stdout } = spawnSync(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  process.stdout.write(stdout)
  if (status !== 0) return false
  if (!prints || options.small) return true
  const day = new Date().toISOString().slice(0, 10)
  const about = `Measured on ${day}, ${availableParallelism()} CPUs, ${process.platform}, Node ${process.versions.node}${prints.about}.`
  const text = prints.as === 'lines' ? stdout.trim().replaceAll(/^/gm, '    ') : stdout
  replacePart(PERFORMANCE, prints.part, `${about}\n\n    npm run bench:${name}\n\n${text}`)
  return true
}

if (options.help) {
  process.stdout.write(HELP)
  process.exit()
}
const only = options.only?.split(',')
for (const name of only ?? []) if (!BENCHES.some(bench => bench.name === name)) throw new Error(`there is no bench ${name}`)
const failed: string[] = []
for (const bench of BENCHES) {
  if (only && !only.includes(bench.name)) continue
  const began = performance.now()
  const isDone = carryOut(bench)
  console.error(`${bench.name}: ${isDone ? 'done' : 'FAILED'} after ${((performance.now() - began) / 1000).toFixed(0)} s`)
  if (!isDone) failed.push(bench.name)
}
if (failed.length > 0) {
  console.error(`These failed: ${failed.join(', ')}`)
  process.exitCode = 1
}

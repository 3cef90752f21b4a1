// How long short commands take: `npm run bench:starting -- --help`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Command, measure, type Measurement, rotated, summary } from './measure.ts'
import { ratio, replacePart, table } from './report.ts'
import { findNode } from './tools.ts'

const REPORT = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const PROGRAM = fileURLToPath(new URL('../bin/colab-escape.cjs', import.meta.url))

const HELP = `npm run bench:starting -- [options]

An empty program, help, the version and small pushes and pulls to a folder, in turns: medians of seconds and CPU seconds, on each
Node that is there.

  --runs <n>       default 30
  --nodes <list>   default: 20,22,24; npx brings those that do not run this
  --write          put the table into docs/performance.md
`

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '30' },
    nodes: { type: 'string', default: '20,22,24' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

interface Step {
  title: string
  command: (node: string, place: string) => Command
  /** Before each run. */
  before?: ((place: string) => void) | undefined
}

const own = (...argv: string[]): Step['command'] => {
  return (node, place) => ({
    argv: [node, PROGRAM, ...argv],
    cwd: place,
    env: { COLAB_ESCAPE_CACHE: join(place, 'cache'), COLAB_ESCAPE_CONFIG: join(place, 'config'), COLAB_ESCAPE_ZSTD: '' },
  })
}

const remove = (...names: string[]): Step['before'] => {
  return place => {
    for (const name of names) rmSync(join(place, name), { recursive: true, force: true })
  }
}

let pushes = 0
const STORE = ['--name', 'small', '--store', 'store', '--quiet']
// each step finds what the one before left
const STEPS: Step[] = [
  { title: 'node -e 0', command: (node, place) => ({ argv: [node, '-e', '0'], cwd: place }) },
  { title: '--version', command: own('--version') },
  { title: 'push --help', command: own('push', '--help') },
  { title: 'first push of one small file', command: own('push', 'small.txt', ...STORE), before: remove('store', 'cache') },
  { title: 'push, nothing changed', command: own('push', 'small.txt', ...STORE) },
  {
    title: 'push of the next version',
    command: own('push', 'small.txt', ...STORE),
    before: place => writeFileSync(join(place, 'small.txt'), contentOf(++pushes)),
  },
  { title: 'log', command: own('log', '--store', 'store', '--quiet') },
  { title: 'pull of that file', command: own('pull', 'small', 'pulled', '--store', 'store', '--quiet'), before: remove('pulled') },
]

/** 4 kB of text. */
const contentOf = (number: number): string => `line ${number} of a small file\n`.repeat(160)

async function run(work: string): Promise<string> {
  const runs = Number(options.runs)
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${options.runs} is not a number of repetitions`)
  const nodes = options.nodes.split(',').map(major => ({ major, ...findNode(major), place: join(work, `node${major}`) }))
  const present = nodes.filter(({ version }) => version !== undefined)
  for (const { major, version } of nodes) if (version === undefined) console.error(`Node ${major} is not there`)
  const measured = new Map(present.map(({ major }) => [major, STEPS.map((): Measurement[] => [])]))
  for (const { place } of present) {
    mkdirSync(place)
    writeFileSync(join(place, 'small.txt'), contentOf(0))
  }
  for (let number = 0; number < runs; number++) {
    for (const { major, node, place } of rotated(present, number)) {
      for (const [i, { command, before }] of STEPS.entries()) {
        before?.(place)
        measured.get(major)![i]!.push(await measure(command(node, place), join(work, 'time')))
      }
    }
  }
  const rows = present.flatMap(({ major }) => {
    const summaries = measured.get(major)!.map(summary)
    const [empty] = summaries
    return STEPS.map(({ title }, i) => {
      const { seconds: wall, cpuSeconds } = summaries[i]!
      return [major, title, fixed(wall), fixed(cpuSeconds), ratio(wall, empty!.seconds)]
    })
  })
  const versions = present.map(({ version }) => `Node ${version}`).join(', ')
  const flags = [options.runs === '30' ? '' : ` --runs ${options.runs}`, options.nodes === '20,22,24' ? '' : ` --nodes ${options.nodes}`]
  const command = `npm run bench:starting --${flags.join('')}${options.write ? ' --write' : ''}`.replace(/ --$/, '')
  const about = `Measured on ${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} CPUs, ${process.platform}, ${versions}: medians of ${runs}.`
  return `${about}\n\n    ${command}\n\n${table(['Node', 'command', 'seconds', 'CPU seconds', 'seconds, node -e 0 = 1'], rows)}`
}

const fixed = (number = NaN): string => (Number.isFinite(number) ? number.toFixed(3) : '-')

if (options.help) process.stdout.write(HELP)
else {
  const work = mkdtempSync(join(tmpdir(), 'colab-escape-starting-'))
  try {
    const text = await run(work)
    console.log(text)
    if (options.write) replacePart(REPORT, 'starting', text)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

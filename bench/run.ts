// Measures colab-escape beside its peers: `npm run bench -- --help`.
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { messageOf } from '../src/util/errors.ts'
import { writeCharts } from './chart.ts'
import { CORPUS_SEED, makeCorpus } from './make-corpus.ts'
import { sizeOf } from './measure.ts'
import { megabytes, replacePart } from './report.ts'
import { measureScale, scaleTable } from './scale.ts'
import { measureSteps, stepsTable } from './steps.ts'
import { findTools, type Tool } from './tools.ts'
import { compareVersions, versionTables } from './versions.ts'

const { version: VERSION } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
const REPORT = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url))

const HELP = `npm run bench -- [options]

Without --scale: five versions of a project pushed in order by every tool that is installed, and the last one restored.

  --corpus <folder>   folders v1, v2, ... to push (default: COLAB_ESCAPE_BENCH_CORPUS, else a made one)
  --about <text>      what that corpus is, for the report
  --small             a tenth of the made corpus
  --scale             instead: 100,000 small files, one file of 4 GB, and five versions of a project at once
  --scale-small       the same with 10,000 files and 400 MB
  --steps             instead: what single steps cost, such as one more checkpoint; of a corpus with a folder finetune
  --runs <n>          repetitions; medians are reported (default 3)
  --tools <ids>       only these, such as node20,node24,restic-max,borg,tar-t2,zpaq-m1
  --work <folder>     where temporary data goes (default: the system's folder for it)
  --write             put the tables into docs/benchmarks.md, and draw its charts anew
`

const { values: options } = parseArgs({
  options: {
    corpus: { type: 'string', default: process.env.COLAB_ESCAPE_BENCH_CORPUS },
    about: { type: 'string', default: 'a given folder' },
    small: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    'scale-small': { type: 'boolean', default: false },
    steps: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    tools: { type: 'string' },
    work: { type: 'string', default: tmpdir() },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const log = (line: string): void => console.error(line)

function chooseTools(): Tool[] {
  const all = findTools()
  const wanted = options.tools?.split(',')
  const unknown = wanted?.filter(id => !all.some(tool => tool.id === id)) ?? []
  if (unknown.length > 0) throw new Error(`there is no tool ${unknown.join(', ')}; there are ${all.map(tool => tool.id).join(', ')}`)
  return all.filter(tool => wanted?.includes(tool.id) ?? true)
}

function findVersions(work: string): { versions: string[]; about: string } {
  if (options.corpus === undefined) {
    log('making the corpus')
    return { versions: makeCorpus(join(work, 'corpus'), options), about: `the corpus of bench/make-corpus.ts, seed ${CORPUS_SEED}` }
  }
  const versions: string[] = []
  for (let number = 1; existsSync(join(options.corpus, `v${number}`)); number++) versions.push(resolve(options.corpus, `v${number}`))
  if (versions.length === 0) throw new Error(`${options.corpus} has no folder v1`)
  return { versions, about: options.about }
}

/** How these figures were made, without paths of this machine. */
function provenance(tools: readonly Tool[], about: string): string {
  const flags = (['scale', 'scale-small', 'steps', 'small', 'write'] as const).filter(name => options[name]).map(name => `--${name}`)
  const corpus = options.corpus === undefined || isScale ? [] : ['--corpus <folder>']
  const only = options.tools === undefined ? [] : [`--tools ${options.tools}`]
  const command = ['npm run bench --', ...corpus, ...only, `--runs ${options.runs}`, ...flags].join(' ')
  const versions = new Set([`colab-escape ${VERSION}`, ...tools.map(tool => tool.version).filter(version => version !== undefined)])
  const day = new Date().toISOString().slice(0, 10)
  return `Measured on ${day}, ${availableParallelism()} CPUs, ${process.platform}: ${about}. ${[...versions].join(', ')}.\n\n    ${command}\n`
}

const isScale = options.scale || options['scale-small']

async function run(work: string): Promise<void> {
  const runs = Number(options.runs)
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${options.runs} is not a number of repetitions`)
  const tools = chooseTools()
  let text: string
  if (isScale) {
    const results = await measureScale({ tools, runs, small: options['scale-small'], work, log })
    const used = [...new Set(results.map(result => result.tool))]
    text = `${provenance(used, 'data of bench/scale-data.ts and bench/make-corpus.ts')}\n${scaleTable(results)}`
  } else if (options.steps) {
    if (!options.corpus) throw new Error('--steps needs a --corpus')
    const results = await measureSteps({ corpus: resolve(options.corpus), tools, work, log })
    text = `${provenance([...results[0]!.stored.keys()], options.about)}\n${stepsTable(results)}`
  } else {
    const { versions, about } = findVersions(work)
    const size = megabytes(
      versions.reduce((sum, version) => sum + sizeOf(version), 0),
      0,
    )
    const results = await compareVersions({ versions, tools, runs, work, log })
    text = `${provenance(tools, `${about}, ${versions.length} versions, ${size} MB in all`)}\n${versionTables(results, versions)}`
  }
  console.log(text)
  if (!options.write) return
  replacePart(REPORT, isScale ? 'scale' : options.steps ? 'steps' : 'versions', text)
  writeCharts()
}

if (options.help) process.stdout.write(HELP)
else {
  const work = realpathSync(mkdtempSync(join(options.work, 'colab-escape-bench-')))
  const cleanUp = (): void => rmSync(work, { recursive: true, force: true })
  process.on('SIGINT', () => {
    cleanUp()
    process.exit(130)
  })
  try {
    await run(work)
  } catch (error) {
    log(messageOf(error))
    process.exitCode ||= 1
  } finally {
    cleanUp()
  }
}

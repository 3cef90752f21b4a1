/*
 * Coverage-guided fuzzing of everything that reads strangers' bytes: `npm run fuzz -- --help`.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { sha256Hex } from '../../src/util/hash.ts'
import { corpusOf, CORPUS, MAX_CORPUS_BYTES } from './corpus.ts'
import { bundleWorker, type Bundle } from './engine/bundle.ts'
import type { Finding, Summary } from './engine/fuzz.ts'
import { InFlight } from './engine/in-flight.ts'
import type { Message, Task } from './engine/worker.ts'
import { Rescue } from './rescue.ts'
import { TARGETS } from './targets/all.ts'
import type { Target } from './target.ts'

const HELP = `npm run fuzz -- [options]

  --minutes N       fuzz each target for so long (default 1)
  --seconds N       the same in seconds
  --target NAME     only this target; may be given several times
  --workers N       targets at the same time (default: cores)
  --seed N          another course of events (default: the time)
  --keep            keep the smallest inputs that reach something new in test/fuzz/corpus
  --reproduce FILE  run one input in one target, not instrumented
  --list            list the targets

Inputs that reach something new are kept in coverage/fuzz/corpus, and findings in coverage/fuzz/findings.
Exits with 1 if there are findings.`

const FOUND = 'coverage/fuzz/findings'
const REACHED = 'coverage/fuzz/corpus'
/** No target takes a second for any input, so one that takes so long hangs. */
const HANG_MS = 30_000
const MAX_HEAP_MB = 512

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seconds: { type: 'string' },
    target: { type: 'string', multiple: true, default: [] },
    workers: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    keep: { type: 'boolean', default: false },
    reproduce: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function chosen(): Target[] {
  const unknown = values.target.filter(name => !TARGETS.some(target => target.name === name))
  if (unknown.length > 0) throw new Error(`There is no target ${unknown.join(', ')}: see --list.`)
  return TARGETS.filter(({ name }) => values.target.length === 0 || values.target.includes(name))
}

async function reproduce(file: string): Promise<void> {
  const [target] = chosen()
  if (values.target.length !== 1 || !target) throw new Error('--reproduce needs one --target.')
  const rescue = new Rescue()
  const begun = performance.now()
  try {
    await target.run(readFileSync(file), rescue)
    console.log(`${target.name} keeps its promises for ${file}: ${Math.round(performance.now() - begun)} ms`)
  } finally {
    rescue.close()
  }
}

function readInputs(folder: string): Uint8Array[] {
  return existsSync(folder) ? readdirSync(folder).map(name => readFileSync(join(folder, name))) : []
}

/** One target in a thread of its own. It ends early if an input hangs or kills the thread. */
function fuzz(target: Target, bundle: Bundle, onFinding: (finding: Finding) => void): Promise<Summary | undefined> {
  const inFlight = new InFlight()
  const inputs = [...corpusOf(target).values(), ...readInputs(join(REACHED, target.name))]
  const seconds = Number(values.seconds ?? Number(values.minutes ?? 1) * 60)
  const { files, blocks } = bundle
  const task: Task = { target: target.name, seconds, seed: Number(values.seed), inputs, files, blocks, inFlight: inFlight.memory }
  return new Promise(done => {
    const worker = new Worker(bundle.file, { workerData: task, resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB } })
    let begun = -1
    const watch = setInterval(() => {
      if (inFlight.begun === begun) void died(new Error(`an input hangs for ${HANG_MS / 1000} s`))
      begun = inFlight.begun
    }, HANG_MS)
    const end = (summary?: Summary): void => {
      clearInterval(watch)
      void worker.terminate().then(() => done(summary))
    }
    const died = (error: Error): void => {
      onFinding({ key: error.message, message: error.stack ?? error.message, input: inFlight.input })
      end()
    }
    worker.on('message', (message: Message) => ('finding' in message ? onFinding(message.finding) : end(message.summary)))
    worker.on('error', died)
  })
}

function saveFinding(target: Target, { key, message, input }: Finding): void {
  const file = join(FOUND, target.name, nameOf(input))
  mkdirSync(join(FOUND, target.name), { recursive: true })
  writeFileSync(file, input)
  writeFileSync(`${file}.txt`, `${message}\n`)
  // from the log of another machine, the input can be made again
  const made = `echo ${gzipSync(input).toString('base64')} | base64 -d | gunzip > ${file}`
  console.log(
    `\nFOUND in ${target.name}: ${key}\n  npm run fuzz -- --target ${target.name} --reproduce ${file}\n  ${made.length < 4096 ? made : ''}\n`,
  )
}

const nameOf = (input: Uint8Array): string => sha256Hex(input).slice(0, 12)

/** Replaces the inputs in a folder. Those with a name in words show what was mended, and stay. */
function keep({ name }: Target, inputs: readonly Uint8Array[], folder: string, maxBytes: number): void {
  mkdirSync(join(folder, name), { recursive: true })
  for (const old of readdirSync(join(folder, name))) if (/^[0-9a-f]{12}$/.test(old)) rmSync(join(folder, name, old))
  for (const input of inputs) if (input.length <= maxBytes) writeFileSync(join(folder, name, nameOf(input)), input)
}

async function fuzzAll(): Promise<void> {
  const bundle = await bundleWorker()
  const waiting = chosen()
  let findings = 0
  const next = async (): Promise<void> => {
    for (let target = waiting.shift(); target; target = waiting.shift()) {
      const own = target
      const summary = await fuzz(own, bundle, finding => {
        findings++
        saveFinding(own, finding)
      })
      if (!summary) continue
      const { executions, seconds, blocks, blocksOfFiles, features, reached, fewest } = summary
      const rate = Math.round(executions / seconds)
      console.log(
        `${own.name.padEnd(14)} ${String(executions).padStart(9)} inputs, ${String(rate).padStart(6)}/s, ${blocks} of ${blocksOfFiles} blocks, ${features} features`,
      )
      keep(own, reached, REACHED, Infinity)
      if (values.keep) keep(own, fewest, CORPUS, MAX_CORPUS_BYTES)
    }
  }
  try {
    console.log(`seed ${values.seed}`)
    await Promise.all(Array.from({ length: Number(values.workers) }, next))
  } finally {
    rmSync(bundle.folder, { recursive: true, force: true })
  }
  console.log(findings === 0 ? 'no findings' : `${findings} findings: ${relative('.', FOUND)}`)
  process.exitCode = findings === 0 ? 0 : 1
}

if (values.help) console.log(HELP)
else if (values.list) console.log(TARGETS.map(({ name }) => name).join('\n'))
else if (values.reproduce !== undefined) await reproduce(values.reproduce)
else await fuzzAll()

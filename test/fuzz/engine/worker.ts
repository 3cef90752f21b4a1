import { parentPort, workerData } from 'node:worker_threads'
import { seededRandom } from '../../helpers/seeded.ts'
import { TARGETS } from '../targets/all.ts'
import type { InstrumentedFile } from './bundle.ts'
import { Fuzzer, type Finding, type Summary } from './fuzz.ts'
import { InFlight } from './in-flight.ts'

export interface Task {
  target: string
  seconds: number
  seed: number
  inputs: Uint8Array[]
  files: InstrumentedFile[]
  blocks: number
  inFlight: SharedArrayBuffer
}

export type Message = { finding: Finding } | { summary: Summary }

const { target, seconds, seed, inputs, files, blocks, inFlight } = workerData as Task
const { __fuzzCounters: counters } = globalThis as unknown as { __fuzzCounters: Uint32Array }
const post = (message: Message): void => parentPort!.postMessage(message)
const fuzzer = new Fuzzer({
  target: TARGETS.find(({ name }) => name === target)!,
  seconds,
  random: seededRandom(seed),
  inputs,
  counters: counters.subarray(0, blocks),
  files,
  inFlight: new InFlight(inFlight),
  onFinding: finding => post({ finding }),
})
post({ summary: await fuzzer.run() })

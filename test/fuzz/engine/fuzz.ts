import { messageOf } from '../../../src/util/errors.ts'
import { Rescue } from '../rescue.ts'
import { BrokenPromise, type Target } from '../target.ts'
import type { InstrumentedFile } from './bundle.ts'
import { InFlight } from './in-flight.ts'
import { mutateJson } from './mutate-json.ts'
import { below, Dictionary, mutate, oneOf, type Random } from './mutate.ts'
import { Population } from './population.ts'

const MAX_BYTES = 4096
const WORK_PER_BYTE = 500
/** Blocks of code that any input may run, however short it is. */
const WORK_FOR_ALL = 1_000_000
/** An input that takes longer (ms), each time of three, is a finding. */
const SLOW_MS = 1000
const MEMORY_KB = 256 * 1024
/** Every so many inputs one is stretched, so that what takes more than linear work or memory shows. */
const STRETCH_EVERY = 100
const RESCUE_EVERY = 400
const MAX_FINDINGS = 20

export interface Finding {
  /** What happened, the same for inputs that fail alike. */
  key: string
  message: string
  input: Uint8Array
}

export interface Summary {
  executions: number
  seconds: number
  /** Blocks of code that have run for any input, of how many in the files that this target reaches. */
  blocks: number
  blocksOfFiles: number
  features: number
  /** The inputs that reach something that no smaller one reaches. */
  reached: Uint8Array[]
  /** A few of them that together reach every block that any of them reaches. */
  fewest: Uint8Array[]
}

export interface FuzzOptions {
  target: Target
  seconds: number
  random: Random
  /** Inputs to begin with. */
  inputs: readonly Uint8Array[]
  counters: Uint32Array
  files: readonly InstrumentedFile[]
  inFlight: InFlight
  /** After so many it ends. */
  maxFindings?: number
  onFinding: (finding: Finding) => void
}

/** Runs one target with inputs that evolve towards code that no input has reached. */
export class Fuzzer {
  private readonly options: FuzzOptions
  private readonly population: Population
  private readonly rescue = new Rescue()
  private readonly found = new Set<string>()
  private executions = 0

  constructor(options: FuzzOptions) {
    this.options = options
    this.population = new Population(options.counters)
  }

  async run(): Promise<Summary> {
    const { target, seconds, random, maxFindings = MAX_FINDINGS } = this.options
    const begun = performance.now()
    for (const input of [...this.options.inputs, ...(await target.seeds()), new Uint8Array(0)]) await this.tryInput(input)
    const dictionary = new Dictionary(this.reachedFiles().flatMap(({ literals }) => literals))
    while (performance.now() - begun < seconds * 1000 && this.found.size < maxFindings) {
      const { bytes } = this.population.pick(random)
      if (this.executions % STRETCH_EVERY === 0) await this.execute(stretched(bytes, random), undefined)
      const asJson = target.isJson === true && random() < 0.7 ? mutateJson(bytes, random) : undefined
      await this.tryInput(asJson ?? mutate(bytes, this.population.pick(random).bytes, dictionary, random, MAX_BYTES))
    }
    this.rescue.close()
    return {
      executions: this.executions,
      seconds: (performance.now() - begun) / 1000,
      blocks: this.population.blocks,
      blocksOfFiles: this.reachedFiles().reduce((sum, { blocks }) => sum + blocks, 0),
      features: this.population.features,
      reached: this.population.reached,
      fewest: this.population.fewest,
    }
  }

  private reachedFiles(): InstrumentedFile[] {
    return this.options.files.filter(file => this.population.reaches(file.first, file.blocks))
  }

  private async tryInput(input: Uint8Array): Promise<void> {
    const isFine = await this.execute(input, undefined)
    const isNew = isFine && input.length <= MAX_BYTES * 2 && this.population.add(input) > 0
    if (isFine && (isNew || this.executions % RESCUE_EVERY === 0)) await this.execute(input, this.rescue)
  }

  /** False if a promise was broken, which is reported. */
  private async execute(input: Uint8Array, rescue: Rescue | undefined): Promise<boolean> {
    const { target, counters, inFlight } = this.options
    inFlight.begin(input)
    counters.fill(0)
    this.executions++
    const memory = process.resourceUsage().maxRSS
    const begun = performance.now()
    try {
      await target.run(Uint8Array.from(input), rescue)
      if (rescue !== undefined) return true
      const work = counters.reduce((sum, count) => sum + count, 0)
      if (work > WORK_FOR_ALL + input.length * (target.workPerByte ?? WORK_PER_BYTE))
        throw new BrokenPromise(`more than linear work\n${work} blocks of code ran for ${input.length} bytes`)
      const grown = process.resourceUsage().maxRSS - memory
      if (grown > MEMORY_KB) throw new BrokenPromise(`too much memory\n${grown} KB for ${input.length} bytes`)
      if (performance.now() - begun > SLOW_MS) await this.expectQuick(input)
      return true
    } catch (error) {
      this.report(error, input)
      return false
    }
  }

  /** The machine may have been busy. */
  private async expectQuick(input: Uint8Array): Promise<void> {
    for (let times = 0; times < 2; times++) {
      const begun = performance.now()
      await this.options.target.run(input, undefined)
      if (performance.now() - begun <= SLOW_MS) return
    }
    throw new BrokenPromise(`too slow\nmore than ${SLOW_MS} ms for ${input.length} bytes`)
  }

  private report(error: unknown, input: Uint8Array): void {
    const stack = error instanceof Error ? (error.stack ?? '') : ''
    const isPromise = error instanceof BrokenPromise
    const frame = /^ +at (\S+)/m.exec(stack)?.[1] ?? ''
    const key = isPromise ? error.message.split('\n')[0]! : `${error instanceof Error ? error.name : typeof error} in ${frame}`
    if (this.found.has(key)) return
    this.found.add(key)
    this.options.onFinding({ key, message: isPromise ? error.message : stack || messageOf(error), input })
  }
}

/** A long input of one piece of a short one, again and again. */
function stretched(bytes: Uint8Array, random: Random): Uint8Array {
  const start = below(random, bytes.length + 1)
  const end = Math.min(bytes.length, start + 1 + below(random, oneOf(random, [4, 64, bytes.length + 1])))
  const piece = bytes.subarray(start, end)
  const times = piece.length === 0 ? 0 : Math.floor((InFlight.MAX_BYTES - bytes.length) / piece.length / oneOf(random, [1, 2, 16]))
  return Buffer.concat([bytes.subarray(0, start), ...Array.from({ length: times }, () => piece), bytes.subarray(end)])
}

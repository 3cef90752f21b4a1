import { type ErrorCode, isAppError } from '../../src/util/errors.ts'
import type { Rescue } from './rescue.ts'

/** One thing that reads bytes of strangers. */
export interface Target {
  name: string
  /** Inputs to begin with, made by the project's own encoders. */
  seeds(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>
  /**
   * Reads an input and throws if a promise is broken. `rescue` is there for few inputs, because asking it is slow: then
   * docs/rescue.py has to agree.
   */
  run(input: Uint8Array, rescue: Rescue | undefined): void | Promise<void>
  /** Set for JSON: its values are mutated too, not only its bytes. */
  isJson?: boolean
  /** Blocks of code that may run for each byte of an input; 500 by default. */
  workPerByte?: number
}

/** Thrown where a promise is broken, other than by an error of the code itself. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

export function promise(holds: boolean, what: string, ...details: unknown[]): asserts holds {
  if (!holds) throw new BrokenPromise([what, ...details.map(detail => JSON.stringify(detail)?.slice(0, 2000))].join('\n'))
}

const REFUSALS: readonly ErrorCode[] = ['corrupt', 'newer-format']

/** What `decode` gives; undefined if it refuses the bytes with an error that decoders may throw. */
export function decoded<T>(decode: () => T, codes = REFUSALS): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (isAppError(error, ...codes)) return undefined
    throw error
  }
}

/** The same for a promise. */
export async function settled<T>(result: Promise<T>, codes = REFUSALS): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (isAppError(error, ...codes)) return undefined
    throw error
  }
}

/** Reads the structure that a target gives to its input. It never ends: zeros follow the last byte. */
export class Structure {
  private at = 0
  private readonly input: Uint8Array

  constructor(input: Uint8Array) {
    this.input = input
  }

  byte(): number {
    return this.input[this.at++] ?? 0
  }

  u16(): number {
    return this.byte() | (this.byte() << 8)
  }

  /** Fewer at the end. */
  take(count: number): Uint8Array {
    this.at += count
    return this.input.subarray(this.at - count, this.at)
  }

  rest(): Uint8Array {
    return this.input.subarray(this.at)
  }
}

import type { Binding, ByteVector, Hooks } from 'zstd-codec/lib/zstd-codec-binding-wasm.js'
import { AppError, messageOf } from '../../../util/errors.ts'

/**
 * One instance of the WebAssembly zstd. Both calls return null when zstd reports an error. They throw AppError `io`
 * when the instance breaks (its heap is a fixed 16 MiB): then `broken` stays true, and only a new instance helps.
 *
 * The calls do what zstd-codec's class `Simple` does. That one is not used because its loader gives no way to keep the
 * module from printing.
 */
export interface WasmZstd {
  readonly broken: boolean
  /** Null also if the frame is longer than `room` bytes. */
  compress(plain: Uint8Array, zstdLevel: number, room: number): Uint8Array | null
  /** The caller has checked that `stored` is a whole frame of `plainLength` bytes. */
  decompress(stored: Uint8Array, plainLength: number): Uint8Array | null
}

const silent = (): void => undefined

/** Throws AppError `unsupported` where WebAssembly can't run. */
export async function instantiateWasmZstd(): Promise<WasmZstd> {
  if (!('WebAssembly' in globalThis)) throw unavailable('WebAssembly is switched off')
  const { default: instantiate } = await import('zstd-codec/lib/zstd-codec-binding-wasm.js')
  return new Promise((resolve, reject) => {
    const hooks: Hooks = {
      print: silent,
      printErr: silent,
      onAbort: reason => reject(unavailable(String(reason))),
      onRuntimeInitialized: () => resolve(wrap(hooks as unknown as Binding)),
    }
    try {
      instantiate(hooks)
    } catch (error) {
      reject(unavailable(messageOf(error)))
    }
  })
}

function unavailable(why: string): AppError {
  return new AppError('unsupported', `The portable zstd codec cannot be loaded: ${why}.`, {
    hint: 'Use Node.js 22.15 or later, which has zstd built in.',
  })
}

function wrap(binding: Binding): WasmZstd {
  const codec = new binding.ZstdCodec()
  let broken = false

  // the vectors live for one call only: high levels need all of the heap that the input and its output leave
  function convert(input: Uint8Array, outputBytes: number, run: (target: ByteVector, source: ByteVector) => number): Uint8Array | null {
    try {
      const source = new binding.VectorU8()
      const target = new binding.VectorU8()
      binding.cloneToVector(source, input)
      target.resize(outputBytes, 0)
      const length = run(target, source)
      if (length >= 0) target.resize(length, 0)
      const output = length < 0 ? null : binding.cloneAsTypedArray(target)
      target.delete()
      source.delete()
      return output
    } catch (error) {
      broken = true
      throw new AppError('io', `The portable zstd codec broke down on ${input.length} bytes.`, { cause: error })
    }
  }

  return {
    get broken() {
      return broken
    },
    compress: (plain, zstdLevel, room) =>
      convert(plain, Math.min(room, codec.compressBound(plain.length)), (target, source) => codec.compress(target, source, zstdLevel)),
    decompress: (stored, plainLength) => convert(stored, plainLength, (target, source) => codec.decompress(target, source)),
  }
}

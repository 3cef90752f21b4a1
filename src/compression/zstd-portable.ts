import { AppError, corrupt } from '../util/errors.ts'
import { MAX_BLOCK_BYTES } from './limits.ts'
import type { ZstdCodec } from './zstd-codec.ts'
import { assertCompressible } from './zstd-codec.ts'
import { checkZstdFrame } from './zstd-frame.ts'
import type { WasmZstd } from './zstd-wasm.ts'
import { instantiateWasmZstd } from './zstd-wasm.ts'

/** The WebAssembly codec: runs everywhere, within the limits of its 16 MiB heap. A broken instance is replaced by the next `ready()`. */
export class PortableZstd implements ZstdCodec {
  readonly name = 'portable'
  readonly #instantiate: () => Promise<WasmZstd>
  #wasm: Promise<WasmZstd> | undefined
  #current: WasmZstd | undefined

  constructor(instantiate: () => Promise<WasmZstd> = instantiateWasmZstd) {
    this.#instantiate = instantiate
  }

  /** To be awaited before each use. AppError `unsupported` where WebAssembly can't run. */
  async ready(): Promise<this> {
    if (this.#current?.broken === true) {
      this.#current = undefined
      this.#wasm = undefined
    }
    this.#wasm ??= this.#instantiate()
    try {
      this.#current = await this.#wasm
    } catch (error) {
      this.#wasm = undefined
      throw error
    }
    return this
  }

  maxPlainBytes(zstdLevel: number): number {
    if (zstdLevel < 1 || zstdLevel > 9) return 0
    return zstdLevel <= 3 ? MAX_BLOCK_BYTES : MAX_BLOCK_BYTES / 2
  }

  compress(plain: Uint8Array, zstdLevel: number): Uint8Array {
    assertCompressible(this, plain, zstdLevel)
    const stored = this.#usable().compress(plain, zstdLevel)
    if (stored === null) throw new AppError('io', `zstd could not compress ${plain.length} bytes.`)
    return stored
  }

  decompress(stored: Uint8Array, plainLength: number): Uint8Array {
    checkZstdFrame(stored, plainLength)
    const wasm = this.#usable()
    let plain: Uint8Array | null
    try {
      plain = wasm.decompress(stored, plainLength)
    } catch (error) {
      // with both lengths checked the heap suffices, so it was these bytes that led the decoder astray
      if (wasm.broken) throw corrupt('A zstd frame', 'the decoder broke down on it')
      throw error
    }
    if (plain?.length !== plainLength) throw corrupt('A zstd frame', 'it cannot be decoded')
    return plain
  }

  #usable(): WasmZstd {
    if (this.#current === undefined || this.#current.broken) throw new AppError('io', 'The portable zstd codec is not loaded.')
    return this.#current
  }
}

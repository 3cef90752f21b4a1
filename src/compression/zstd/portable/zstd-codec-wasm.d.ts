/**
 * The WebAssembly binding inside zstd-codec 0.1.5 (zstd 1.3.6), an Emscripten module. The package has no types of its
 * own.
 */
declare module 'zstd-codec/lib/zstd-codec-binding-wasm.js' {
  export interface ByteVector {
    /** Fills new bytes with zeros. */
    resize(length: number, fill: number): void
    delete(): void
  }

  export interface Binding {
    VectorU8: new () => ByteVector
    /** Both return the length of their output, or a negative number on an error. */
    ZstdCodec: new () => {
      compressBound(length: number): number
      compress(target: ByteVector, source: ByteVector, level: number): number
      decompress(target: ByteVector, source: ByteVector): number
    }
    cloneToVector(target: ByteVector, bytes: Uint8Array): void
    cloneAsTypedArray(source: ByteVector): Uint8Array
  }

  /** Without `print` and `printErr` it writes its errors to the console. */
  export interface Hooks {
    print(line: string): void
    printErr(line: string): void
    onAbort(reason: unknown): void
    onRuntimeInitialized(): void
  }

  /**
   * Turns `hooks` into the binding, which is complete when `onRuntimeInitialized` is called. The binding has a method
   * `then`: never resolve a promise with it.
   */
  export default function instantiate(hooks: Hooks): void
}

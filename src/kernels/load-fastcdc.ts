import { type FastCdcKernel, gearTable, javascriptFastCdc, WINDOW_BYTES } from './fastcdc.ts'
import { FASTCDC_WASM } from './wasm-bytes.ts'
import { fastestKernel, type WebAssemblyApi } from './web-assembly.ts'

interface FastCdcExports {
  memory: { buffer: ArrayBuffer }
  cutsOffset: { value: number }
  windowOffset: { value: number }
  findCuts: (start: number, end: number, final: number) => number
}

let compiled: object | undefined

function webAssemblyFastCdc({ Module, Instance }: WebAssemblyApi, gear: Int32Array): FastCdcKernel {
  compiled ??= new Module(Buffer.from(FASTCDC_WASM, 'base64'))
  const { memory, cutsOffset, windowOffset, findCuts } = new Instance(compiled).exports as FastCdcExports
  new Int32Array(memory.buffer, 0, gear.length).set(gear)
  return {
    kind: 'webassembly',
    window: new Uint8Array(memory.buffer, windowOffset.value, WINDOW_BYTES),
    cuts: new Uint32Array(memory.buffer, cutsOffset.value, (windowOffset.value - cutsOffset.value) / 4),
    findCuts: (start, end, final) => findCuts(start, end, final ? 1 : 0),
  }
}

/**
 * The fastest kernel that this process can run, with its own window (8 MiB). Both kernels find the same cuts. `gear`:
 * the table that decides where they are.
 */
export function loadFastCdc(gear = gearTable()): FastCdcKernel {
  return fastestKernel(
    api => webAssemblyFastCdc(api, gear),
    () => javascriptFastCdc(gear),
  )
}

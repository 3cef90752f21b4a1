import { readdirSync, readFileSync } from 'node:fs'
import type { Profiler, Runtime } from 'node:inspector'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { basename, join } from 'node:path'

// The profiler of a thread reads the clock: on a busy machine it counts waiting for a core as work.

/** Stages by the place of their code: the first that fits. Code that fits none belongs to the stage of its caller. */
const STAGES: readonly (readonly [RegExp, string])[] = [
  [/^node:(internal\/)?crypto/, 'SHA-256'],
  [/^node:(internal\/)?fs/, 'reading and writing files'],
  [/^node:zlib|zstd-codec|src\/compression\/(zstd\/|load-zstd|codecs)/, 'zstd and deflate'],
  [/src\/chunking\/|src\/kernels\/.*fastcdc/, 'finding cuts and tensors'],
  [/src\/kernels\/|src\/tensors\/|src\/compression\/(filters|encode-plane|choose-filter|element)/, 'planes and differences of tensors'],
  [/src\/compression\//, 'blocks: sampling, checking, passing on'],
  [/src\/repository\//, 'index, manifests, packs, placing'],
  [/src\/storage\//, 'the store'],
  [/src\/(commands|ui|auth|[\w-]+\.ts)|commander|^node:internal\/(modules|bootstrap|process)/, 'start-up and command'],
]
const COLLECTING = 'garbage collection'
const NATIVE = "Node's own, native"

type Profile = Profiler.Profile & { samples: number[]; timeDeltas: number[] }
type Maps = Map<string, SourceMap | undefined>
type CallFrame = Runtime.CallFrame

/** CPU milliseconds by stage, from the profiles of all threads in `profiles`. `program` is the folder of the bundle. */
export function stagesOf(profiles: string, program: string): Map<string, number> {
  const maps: Maps = new Map()
  const stages = new Map<string, number>()
  for (const file of readdirSync(profiles).filter(name => name.endsWith('.cpuprofile'))) {
    const profile = JSON.parse(readFileSync(join(profiles, file), 'utf8')) as Profile
    const nodes = new Map(profile.nodes.map(node => [node.id, node]))
    const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id] as const)))
    const known = new Map<number, string | undefined>()
    const stageOf = (id: number): string | undefined => {
      if (known.has(id)) return known.get(id)
      const parent = parents.get(id)
      const stage = find(nodes.get(id)!.callFrame, () => (parent === undefined ? NATIVE : stageOf(parent)))
      known.set(id, stage)
      return stage
    }
    const find = (frame: CallFrame, ofCaller: () => string | undefined): string | undefined => {
      if (frame.functionName === '(idle)') return undefined
      if (frame.functionName === '(garbage collector)') return COLLECTING
      const source = sourceOf(frame, program, maps)
      return STAGES.find(([pattern]) => pattern.test(source))?.[1] ?? ofCaller()
    }
    profile.samples.forEach((id, i) => {
      const stage = stageOf(id)
      if (stage !== undefined) stages.set(stage, (stages.get(stage) ?? 0) + profile.timeDeltas[i]! / 1000)
    })
  }
  return new Map([...stages].sort(([, a], [, b]) => b - a))
}

/** The source file of a function, by the map beside the bundle. */
function sourceOf({ url, lineNumber, columnNumber }: CallFrame, program: string, maps: Maps): string {
  const name = basename(url)
  if (!url.startsWith('file:') || !name.endsWith('.js')) return url
  if (!maps.has(name)) maps.set(name, readMap(join(program, 'dist', `${name}.map`)))
  const entry = maps.get(name)?.findEntry(lineNumber, columnNumber)
  return entry && 'originalSource' in entry ? entry.originalSource : url
}

function readMap(path: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(path, 'utf8')) as SourceMapPayload)
  } catch {
    return undefined
  }
}

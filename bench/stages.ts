import { readdirSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { basename, join } from 'node:path'

// A profiler of one thread counts the clock: on a machine that does other work too, waiting for a core counts as working.

/** Which stage code belongs to, by where it comes from; the first that fits. What fits none belongs to whoever called it. */
const STAGES = [
  [/^node:(internal\/)?crypto/, 'SHA-256'],
  [/^node:(internal\/)?fs/, 'reading and writing files'],
  [/^node:zlib|zstd-codec|src\/compression\/(zstd|codecs)/, 'zstd and deflate'],
  [/src\/chunking\/|src\/kernels\/.*fastcdc/, 'finding cuts and tensors'],
  [/src\/kernels\/|src\/tensors\/|src\/compression\/(filters|encode-plane|choose-filter|element)/, 'planes and differences of tensors'],
  [/src\/compression\//, 'blocks: sampling, checking, passing on'],
  [/src\/repository\//, 'index, manifests, packs, placing'],
  [/src\/storage\//, 'the store'],
  [/src\/(commands|ui|auth|[\w-]+\.ts)|commander|^node:internal\/(modules|bootstrap|process)/, 'start-up and command'],
]
const COLLECTING = 'garbage collection'
const NATIVE = "Node's own, native"

/** CPU milliseconds by stage, of all profiles in a folder: one of each thread. */
export function stagesOf(profiles, program) {
  const maps = new Map()
  const stages = new Map()
  for (const file of readdirSync(profiles).filter(name => name.endsWith('.cpuprofile'))) {
    const profile = JSON.parse(readFileSync(join(profiles, file), 'utf8'))
    const nodes = new Map(profile.nodes.map(node => [node.id, node]))
    const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id])))
    const known = new Map()
    const stageOf = id => {
      if (!known.has(id))
        known.set(
          id,
          find(nodes.get(id).callFrame, () => (parents.has(id) ? stageOf(parents.get(id)) : NATIVE)),
        )
      return known.get(id)
    }
    const find = (frame, ofCaller) => {
      if (frame.functionName === '(idle)') return undefined
      if (frame.functionName === '(garbage collector)') return COLLECTING
      const source = sourceOf(frame, program, maps)
      return STAGES.find(([pattern]) => pattern.test(source))?.[1] ?? ofCaller()
    }
    profile.samples.forEach((id, i) => {
      const stage = stageOf(id)
      if (stage !== undefined) stages.set(stage, (stages.get(stage) ?? 0) + profile.timeDeltas[i] / 1000)
    })
  }
  return new Map([...stages].sort(([, a], [, b]) => b - a))
}

/** The file that code was written in, by the map beside the bundle. */
function sourceOf({ url, lineNumber, columnNumber }, program, maps) {
  const name = basename(url)
  if (!url.startsWith('file:') || !name.endsWith('.js')) return url
  if (!maps.has(name)) maps.set(name, readMap(join(program, 'dist', `${name}.map`)))
  return maps.get(name)?.findEntry(lineNumber, columnNumber).originalSource ?? url
}

function readMap(path) {
  try {
    return new SourceMap(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined
  }
}

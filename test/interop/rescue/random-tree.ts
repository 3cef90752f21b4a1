import type { TreeNode } from '../../golden/trees.ts'
import { npy, npyHeader } from '../../chunking/layouts/writers.ts'
import { seededBytes, seededRandom } from '../../helpers/seeded.ts'
import { bf16, fp16, fp32, fp64, int16, safetensors, tuned, weights, type Weights } from '../../helpers/tensors.ts'

/** A source of chance with the draws that a generator needs. */
export class Chance {
  readonly draw: () => number

  constructor(seed: number) {
    this.draw = seededRandom(seed)
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.draw() * limit)
  }

  happens(probability: number): boolean {
    return this.draw() < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** The items in another order. */
  shuffled<T>(items: readonly T[]): T[] {
    const rest = [...items]
    return items.map(() => rest.splice(this.below(rest.length), 1)[0]!)
  }
}

export type Tree = Record<string, TreeNode>

const FOLDERS = ['', '', 'a/', 'a/b/', 'caf\udce9/', 'two words/', '日本/']
const NAMES = [
  'x',
  '-rf',
  ' blank ',
  'line\nfeed',
  'esc\u001b]0;title\u0007',
  '\udcff\udcfe',
  'é',
  'e\u0301',
  '"quoted"',
  'back\\slash',
  '😀',
  '~',
  'a.b',
]
const TARGETS = ['x', '../..', '/etc/hostname', 'no/such place', 'caf\udce9']
const MODES = [0o644, 0o600, 0o755, 0o400, 0o666, 0o4755, 0o2755, 0o1777]
const MTIMES = [-1_500_000n, 0n, 1n, 1_700_000_000_999_999n, 4_102_444_800_000_001n]

interface Model {
  weights: readonly Weights[]
  encode: (weights: readonly Weights[]) => Uint8Array
}

const array = (model: readonly Weights[]): Uint8Array => npy(npyHeader("'<f4'", `(${model[0]!.values.length},)`), fp32(model)[0]!.data)
const ENCODINGS = [
  array,
  ...[fp32, fp32, fp32, bf16, fp16, fp64, int16].map(entries => (model: readonly Weights[]) => safetensors(entries(model))),
]

/** A tree that changes from version to version, with content that all filters and codecs are made for. */
export class RandomTree {
  readonly tree: Tree = {}
  private readonly chance: Chance
  /** The numbers of models, which later versions change a little. */
  private readonly models = new Map<string, Model>()
  private made = 0

  constructor(chance: Chance) {
    this.chance = chance
    for (let left = 2 + chance.below(7); left > 0; left--) this.add()
  }

  change(): void {
    const { chance, tree } = this
    for (const path of Object.keys(tree)) {
      const luck = chance.draw()
      if (luck < 0.15) Reflect.deleteProperty(tree, path)
      else if (luck < 0.3) tree[path] = this.edited(tree[path]!)
      else if (this.models.has(path)) this.train(path)
    }
    for (let left = chance.below(3); left > 0; left--) this.add()
  }

  private add(): void {
    const { chance } = this
    const path = `${chance.pick(FOLDERS)}${this.made++} ${chance.pick(NAMES)}`
    const seed = chance.below(1e9)
    if (chance.happens(0.35)) return this.addModel(path, seed)
    this.tree[path] = {
      ...(chance.happens(0.5) ? { mtime: chance.pick(MTIMES) } : {}),
      ...chance.pick<() => TreeNode>([
        () => ({ file: '' }),
        () => ({ file: `tiny ${seed}\n`, mode: chance.pick(MODES) }),
        () => ({ file: seededBytes(1 + chance.below(120_000), seed), mode: chance.pick(MODES) }),
        () => ({ file: table(chance, 300 + chance.below(1200)) }),
        () => ({ file: new Uint8Array(chance.below(200_000)) }),
        () => ({ file: `line ${seed % 7}\n`.repeat(chance.below(20_000)) }),
        () => ({ folder: true, mode: chance.pick([0o755, 0o700, 0o2755, 0o1777]) }),
        () => ({ link: chance.pick(TARGETS) }),
        () => this.duplicate(),
      ])(),
    }
  }

  private duplicate(): TreeNode {
    const files = Object.values(this.tree).filter(node => 'file' in node)
    return files.length > 0 ? { file: this.chance.pick(files).file } : { file: 'nothing to copy' }
  }

  /** A model, sometimes with an export of it to half the width. */
  private addModel(path: string, seed: number): void {
    const { chance, tree } = this
    const sizes = Array.from({ length: 1 + chance.below(3) }, () => 2100 + chance.below(5000))
    const model = { weights: sizes.map((count, i) => weights(seed + i, `layers.${i}`, count)), encode: chance.pick(ENCODINGS) }
    const name = `${path}${model.encode === array ? '.npy' : '.safetensors'}`
    if (chance.happens(0.9)) this.models.set(name, model)
    tree[name] = { file: model.encode(model.weights) }
    if (chance.happens(0.4)) tree[`${path} half.safetensors`] = { file: safetensors(chance.pick([bf16, fp16])(model.weights)) }
  }

  private train(path: string): void {
    const model = this.models.get(path)!
    model.weights = tuned(model.weights, this.chance.below(1e9), this.chance.pick([1e-5, 1e-4, 1e-3]))
    this.tree[path] = { ...this.tree[path]!, file: model.encode(model.weights) }
  }

  private edited(node: TreeNode): TreeNode {
    if (!('file' in node)) return { ...node, mtime: this.chance.pick(MTIMES) }
    const bytes = Buffer.from(node.file)
    const at = this.chance.below(bytes.length + 1)
    return { ...node, file: Buffer.concat([bytes.subarray(0, at), seededBytes(this.chance.below(400), at), bytes.subarray(at)]) }
  }
}

function table(chance: Chance, rows: number): string {
  const separator = chance.pick([',', '\t', ';'])
  const row = (_: unknown, i: number): string => {
    const note = chance.happens(0.1) ? `"a ${separator} in quotes"` : chance.pick(['', 'gift', 'an odd " quote'])
    return [100_000 + i, (300 * chance.draw()).toFixed(2), (50 + 4 * chance.draw()).toFixed(6), note].join(separator)
  }
  return Array.from({ length: rows }, row).join(chance.pick(['\n', '\r\n']))
}

import { safetensors } from '../chunking/layouts/writers.ts'
import { pushes } from './pushes.ts'
import type { Step } from './stage.ts'
import { bytesOf, values } from './table-recipe.ts'
import type { TreeNode } from './trees.ts'

/** Weights that training moves a little, and averages of squares that decay, by nearly the same factor everywhere. */
function model(step: number): Record<string, TreeNode> {
  const tensor = (name: string, dtype: string, data: Buffer, width: number) => ({ name, dtype, shape: [data.length / width], data })
  const single = Float32Array.from(values(7001, 1, step))
  const half = Uint16Array.from(new Uint32Array(Float32Array.from(values(9000, 2, step)).buffer), bits => bits >>> 16)
  const squares = Float32Array.from(values(6000, 3, step), value => (0.985 ** step * value ** 2) / 1000 + 1e-9)
  const entries = [
    tensor('fp32', 'F32', bytesOf(single), 4),
    tensor('fp32 too', 'F32', bytesOf(single.slice(3000).map(value => value * 1.5)), 4),
    tensor('bf16', 'BF16', bytesOf(half), 2),
    tensor('squares', 'F32', bytesOf(squares), 4),
  ]
  return { 'last.safetensors': { file: safetensors(entries) } }
}

/** Averages of squares of two matrices, the rows and columns of which differ, and of a bias between them. */
function squares(step: number): Record<string, TreeNode> {
  const of = (name: string, shape: number[], seed: number) => {
    const columns = shape.at(-1)!
    const noise = values(shape.reduce((product, count) => product * count, 1), seed, step)
    const data = Float32Array.from(noise, (value, i) => (value ** 2 + 1e-6) * 2 ** ((Math.floor(i / columns) * 37) % 11) * 3 ** ((i * i) % columns % 5))
    return { name, dtype: 'F32', shape, data: bytesOf(data) }
  }
  return { 'last.safetensors': { file: safetensors([of('squares', [130, 96], 4), of('bias', [1500], 5), of('more squares', [60, 70], 6)]) } }
}

export function numberSteps(): Step[] {
  return [pushes('weights', [0, 1, 2].map(model))]
}

export function floatSteps(): Step[] {
  return [pushes('weights', [model(0)])]
}

export function matrixSteps(): Step[] {
  return [pushes('squares', [squares(0)])]
}

import { safetensors } from '../chunking/layouts/writers.ts'
import { seededRandom } from '../helpers/seeded.ts'
import { pushes } from './pushes.ts'
import type { Step } from './stage.ts'
import { bytesOf } from './table-recipe.ts'
import type { TreeNode } from './trees.ts'

/** Readings of which each depends on the one before it, as a table and as integers. */
function readings(count: number, seed: number): Record<string, TreeNode> {
  const random = seededRandom(seed)
  const values: number[] = []
  for (let i = 0, pace = 0, value = 20_000; i < count; i++) {
    if (random() < 0.004) pace = random() < 0.5 ? 6 : 200
    values.push((value += Math.round(pace * (random() - 0.5))))
  }
  const rows = values.map((value, i) => `${(value / 1000).toFixed(3)},${i % 97 < 60 ? 'on' : 'off'},${Math.floor(1000 * random() ** 3)}`)
  const data = bytesOf(Uint16Array.from(values))
  return {
    'readings.csv': { file: ['value,state,rest', ...rows].join('\n') },
    'readings.safetensors': { file: safetensors([{ name: 'values', dtype: 'U16', shape: [count], data }]) },
  }
}

export function contextSteps(): Step[] {
  return [pushes('readings', [readings(15_001, 1)])]
}

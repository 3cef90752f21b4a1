import type { TensorFile } from './tensor.ts'

/** What all names of one side begin with that are names of the other without it. */
export interface NamePrefix {
  side: 'before' | 'after'
  prefix: string
}

/** Of the side with fewer tensors, how many must find a partner before a prefix is believed. */
const MIN_SHARE = 0.5

/**
 * Where no name is in both files: what has to be left out of the names of one, so that most of the smaller one's are. A checkpoint calls `model.norm.bias`, or
 * `module.norm.bias`, what an export calls `norm.bias`. Undefined where that does not help.
 */
export function findPrefix(before: TensorFile, after: TensorFile): NamePrefix | undefined {
  const [first, second] = [namesOf(before), namesOf(after)]
  if ([...first].some(name => second.has(name))) return undefined
  const candidates = [
    { side: 'before' as const, ...bestPrefix(first, second) },
    { side: 'after' as const, ...bestPrefix(second, first) },
  ]
  const { side, prefix, count } = candidates[0]!.count >= candidates[1]!.count ? candidates[0]! : candidates[1]!
  return count > 0 && count >= MIN_SHARE * Math.min(first.size, second.size) ? { side, prefix } : undefined
}

function namesOf({ tensors }: TensorFile): ReadonlySet<string> {
  return new Set(tensors.map(({ name }) => name))
}

function bestPrefix(names: ReadonlySet<string>, others: ReadonlySet<string>): { prefix: string; count: number } {
  const counts = new Map<string, number>()
  for (const name of names) {
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      if (!others.has(name.slice(dot + 1))) continue
      const prefix = name.slice(0, dot + 1)
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1)
    }
  }
  return [...counts].reduce((best, [prefix, count]) => (count > best.count ? { prefix, count } : best), { prefix: '', count: 0 })
}

import type { TensorFile } from './tensor.ts'

/** A prefix of one side. Without it, the names match those of the other side. */
export interface NamePrefix {
  side: 'before' | 'after'
  prefix: string
}

/** Maximum number of parts of a prefix. Names may have hundreds of parts, and each part that is tried takes time. */
const MAX_PARTS = 8
/** Share of the smaller side's tensors that must match for a prefix to count. */
const MIN_SHARE = 0.5

/**
 * If no name is in both files: the prefix of one side without which most of the smaller side's names match. For
 * example, `norm.bias` in an export is `model.norm.bias` or `module.norm.bias` in a checkpoint. Undefined if no prefix
 * helps. Time: linear in the length of the names.
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
    for (let dot = name.indexOf('.'), parts = 1; dot >= 0 && parts <= MAX_PARTS; dot = name.indexOf('.', dot + 1), parts++) {
      if (!others.has(name.slice(dot + 1))) continue
      const prefix = name.slice(0, dot + 1)
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1)
    }
  }
  return [...counts].reduce((best, [prefix, count]) => (count > best.count ? { prefix, count } : best), { prefix: '', count: 0 })
}

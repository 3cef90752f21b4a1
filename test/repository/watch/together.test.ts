import { expect, test } from 'vitest'
import { findTogether, type FoundFile } from '../../../src/repository/watch/together.ts'

/** How often the path of a file is read, of as many finished files and as many that are still written in one folder. */
function readsOf(count: number): { reads: number; waiting: number } {
  let reads = 0
  const file = (path: string, isFinished: boolean): FoundFile => ({
    get path() {
      reads++
      return path
    },
    isFinished,
    isSaved: false,
    isRewritten: false,
    isLog: false,
    appeared: isFinished ? 2000 : 9000,
    since: 2000,
    busySince: 9000,
  })
  const files = Array.from({ length: count }, (_, i) => [file(`new/part-${i}.bin`, true), file(`new/log ${i} of.pt`, false)]).flat()
  const { waiting } = findTogether(files, { known: new Set(['']), began: 1000, now: 10_000, settleMs: 5000 })
  return { reads, waiting: waiting[0]?.files.length ?? 0 }
}

test('twice as many files take twice as many looks', () => {
  const { reads, waiting } = readsOf(500)
  expect(waiting).toBe(500)
  expect(readsOf(1000).reads).toBeLessThan(2.5 * reads)
})

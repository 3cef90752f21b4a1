import { expect, test } from 'vitest'
import type { WalkedEntry } from '../../../src/local/walk.ts'
import { BasePlan } from '../../../src/repository/bases/base-plan.ts'

/** How often the plan looks at the size of a file, of as many new files that are not there any more. */
async function looksAt(count: number): Promise<number> {
  let looks = 0
  const files = Array.from({ length: count }, (_, i) => ({
    path: `shard-${i}/model.safetensors`,
    localPath: `/nowhere/${i}`,
    type: 'file',
    get fingerprint() {
      looks++
      // each is several times as large as others, and may be the original of them
      return { size: 4096 * (1 + (i % 10)), mtime: BigInt(i) }
    },
  })) as unknown as WalkedEntry[]
  await new BasePlan(files, () => true).findBases().catch(() => undefined)
  return looks
}

test('twice as many files are looked at twice as often', async () => {
  const looks = await looksAt(1000)
  expect(looks).toBeGreaterThan(1000)
  expect(await looksAt(2000)).toBeLessThan(2.5 * looks)
})

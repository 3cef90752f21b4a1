import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { basesUnderRules } from '../../../src/repository/push/bases-under-rules.ts'
import { TensorCache } from '../../../src/repository/bases/tensor-cache.ts'
import { forget } from '../../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../../src/repository/prune/prune.ts'
import type { RetentionPolicy } from '../../../src/repository/versions/retention.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { withFolder } from '../../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { adamSteps, bf16, fp32, network, pt, safetensors, type Trained } from '../../helpers/tensors.ts'
import { expectSameTree, pictureOf, type TreePicture } from '../../helpers/trees.ts'
import { bytesIn } from './series.ts'

const STEPS = 12
/** Manifests, indexes and the sizes of blocks differ. */
const TOLERANCE = 1.02

const TRAININGS: Record<string, (state: Trained) => Buffer> = {
  'bf16 weights': ({ model }) => safetensors(bf16(model)),
  'fp32 weights': ({ model }) => safetensors(fp32(model)),
  'fp32 weights with the state of Adam': ({ model, optimizer }) => pt(fp32([...model, ...optimizer])),
}

const RULES: Record<string, RetentionPolicy> = {
  'the last three': { last: 3 },
  'the last five': { last: 5 },
  'the last three, and every fourth': { last: 3, tags: ['fourth'] },
}

class CountingStorage extends MemoryStorage {
  sent = 0

  override put(...[name, bytes, options]: Parameters<MemoryStorage['put']>): ReturnType<MemoryStorage['put']> {
    this.sent += bytes.length
    return super.put(name, bytes, options)
  }
}

/** Pushes a version, forgets older ones, and deletes what is not needed, without waiting for anybody. */
async function save(
  storage: MemoryStorage,
  data: string,
  policy: RetentionPolicy,
  cache: TensorCache | undefined,
  step: number,
): Promise<void> {
  const context = contextOf(storage)
  const bases = cache && { cache, ...basesUnderRules(policy) }
  await pushFolder(context, data, 'run', { bases, tags: step % 4 === 2 ? ['fourth'] : [] })
  const request = { waits: NO_GRACE_PERIODS, dryRun: false, sparesDeltas: true }
  const { failure } = await forget(context, { ...request, names: ['run'], policy, all: false })
  if (failure) throw failure
  for (let i = 0; i < 2; i++) await prune(context, await openForPrune(context), request)
}

test.each(Object.keys(TRAININGS).flatMap(what => Object.keys(RULES).map(rules => [what, rules] as const)))(
  'of %s, %s never take more with deltas than without, and no more is sent for them',
  (what, rules) =>
    withFolder(async folder => {
      const policy = RULES[rules]!
      const [deltas, whole] = [new CountingStorage(), new CountingStorage()]
      const cache = new TensorCache(join(folder, 'cache'), silentReporter, () => 1e11)
      const data = join(folder, 'data')
      const pictures: TreePicture[] = []
      for (const [step, state] of adamSteps(network(1), STEPS, 1e-5).entries()) {
        mkdirSync(data, { recursive: true })
        writeFileSync(join(data, 'model.bin'), TRAININGS[what]!(state))
        pictures.push(pictureOf(data))
        await save(deltas, data, policy, cache, step)
        await save(whole, data, policy, undefined, step)
        expect(await bytesIn(deltas), `step ${step}`).toBeLessThan(TOLERANCE * (await bytesIn(whole)))
      }
      expect(deltas.sent).toBeLessThan((what === 'bf16 weights' ? 0.6 : 1.1) * whole.sent)
      for (const [back, picture] of pictures.reverse().slice(0, policy.last).entries()) {
        const { damaged } = await pullVersion(contextOf(deltas), `run~${back}`, join(folder, `out${back}`))
        expect(damaged).toEqual([])
        expectSameTree(join(folder, `out${back}`), picture)
      }
      expect((await checkAll(contextOf(deltas))).problems).toEqual([])
    }),
  120_000,
)

test('two versions are too few for deltas', () => {
  expect(basesUnderRules({ last: 2 })).toBeUndefined()
  expect(basesUnderRules({ daily: 7 })).toBeUndefined()
})

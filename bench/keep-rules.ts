// What a run of checkpoints costs with --keep-last, with and without differences.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TensorCache } from '../src/repository/bases/tensor-cache.ts'
import { basesUnderRules } from '../src/repository/push/bases-under-rules.ts'
import { forget } from '../src/repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../src/repository/prune/grace-periods.ts'
import { silentReporter } from '../src/util/reporter.ts'
import { contextOf, pushFolder } from '../test/helpers/in-process.ts'
import { adamSteps, bf16, fp32, network, pt, safetensors } from '../test/helpers/tensors.ts'
import { MemoryStorage } from '../test/helpers/storage/memory.ts'
import { bytesIn, forgetNow, pruneNow } from '../test/repository/prune/series.ts'

const STEPS = 12

/** Counts what is sent, and how often the store is asked. */
class CountingStorage extends MemoryStorage {
  sent = 0
  read = 0
  requests = 0

  override put(...[name, bytes, options]: Parameters<MemoryStorage['put']>): ReturnType<MemoryStorage['put']> {
    this.sent += bytes.length
    this.requests++
    return super.put(name, bytes, options)
  }

  override async get(...args: Parameters<MemoryStorage['get']>): Promise<Uint8Array> {
    const bytes = await super.get(...args)
    this.read += bytes.length
    this.requests++
    return bytes
  }
}

const MODES = {
  never: () => undefined,
  always: () => ({}),
  'as it is': (last: number) => basesUnderRules({ last }),
}

/** Checkpoints, the oldest first: those of a folder that is named, or of a small network trained with Adam. */
function checkpoints(): Record<string, { name: string; bytes: () => Buffer }[]> {
  const folder = process.argv[2]
  if (folder !== undefined) {
    const files = readdirSync(folder).sort().slice(0, STEPS)
    return { [folder]: files.map(file => ({ name: `model${/\.[^.]+$/.exec(file)![0]}`, bytes: () => readFileSync(join(folder, file)) })) }
  }
  const states = adamSteps(network(1), STEPS, 1e-5)
  return {
    'bf16 weights': states.map(({ model }) => ({ name: 'model.safetensors', bytes: () => safetensors(bf16(model)) })),
    'fp32 weights': states.map(({ model }) => ({ name: 'model.safetensors', bytes: () => safetensors(fp32(model)) })),
    'fp32 weights with the state of Adam': states.map(({ model, optimizer }) => ({
      name: 'last.pt',
      bytes: () => pt(fp32([...model, ...optimizer])),
    })),
  }
}

const mb = (bytes: number): string => (bytes / 1e6).toFixed(2)

for (const [what, files] of Object.entries(checkpoints()))
  for (const last of [3, 5, 10])
    for (const [mode, rules] of Object.entries(MODES)) {
      const folder = mkdtempSync(join(tmpdir(), 'colab-escape-bench-keep-'))
      const data = join(folder, 'out')
      mkdirSync(data)
      const storage = new CountingStorage()
      const context = contextOf(storage)
      const policy = { last }
      const began = performance.now()
      let most = 0
      for (const { name, bytes } of files) {
        writeFileSync(join(data, name), bytes())
        const chosen = rules(last)
        const bases = chosen && { cache: new TensorCache(join(folder, 'cache'), silentReporter, () => 1e11), ...chosen }
        const { snapshot } = await pushFolder(context, data, 'run', { bases })
        const sparesDeltas = mode === 'as it is'
        await forget(context, {
          names: ['run'],
          policy,
          all: false,
          known: snapshot!.ref,
          waits: SAFE_GRACE_PERIODS,
          dryRun: false,
          sparesDeltas,
        })
        most = Math.max(most, await bytesIn(storage))
      }
      const seconds = (performance.now() - began) / 1000
      const { sent, read, requests } = storage
      // what the kept versions need, before and after a prune that stores them in the least space
      const request = {
        names: ['run'],
        policy,
        all: false,
        waits: { ...SAFE_GRACE_PERIODS, graceMs: 0, orphanMs: 0, lagMs: 0 },
        dryRun: false,
      }
      await forget(context, { ...request, sparesDeltas: true })
      const kept = await bytesIn(storage)
      await forgetNow(context, policy)
      await pruneNow(context)
      await pruneNow(context)
      const least = await bytesIn(storage)
      console.log(
        `${what}, last ${last}, ${mode}: sent ${mb(sent)} MB, read ${mb(read)}, peak ${mb(most)}, kept ${mb(kept)}, after prune ${mb(least)}, ${requests} requests, ${seconds.toFixed(1)} s`,
      )
      rmSync(folder, { recursive: true })
    }

import fc from 'fast-check'
import { expect } from 'vitest'
import type { Storage } from '../../src/storage/storage.ts'
import { isAppError } from '../../src/util/errors.ts'

type Command =
  | { do: 'put'; name: string; bytes: Uint8Array }
  | { do: 'get'; name: string; range: { offset: number; length: number } | undefined }
  | { do: 'remove'; name: string }
  | { do: 'list' }

const name = fc.constantFrom('a', 'b', 'pack-1', 'config.json')
const range = fc.record({ offset: fc.integer({ min: -7, max: 7 }), length: fc.integer({ min: 0, max: 7 }) })

/** Few names and few, short values, so that repetitions and conflicts are common. */
export const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('put' as const), name, bytes: fc.uint8Array({ maxLength: 6, max: 1 }) }),
    fc.record({ do: fc.constant('get' as const), name, range: fc.option(range, { nil: undefined }) }),
    fc.record({ do: fc.constant('remove' as const), name }),
    fc.record({ do: fc.constant('list' as const) }),
  ),
  { minLength: 5, maxLength: 25 },
)

export async function checkAgainstModel(storage: Storage, steps: readonly Command[]): Promise<void> {
  const model = new Map<string, Uint8Array>()
  for (const step of steps) expect(await perform(storage, step)).toEqual(predict(model, step))
}

async function perform(storage: Storage, step: Command): Promise<unknown> {
  try {
    switch (step.do) {
      case 'put':
        await storage.put(step.name, step.bytes)
        return 'done'
      case 'get':
        return [...(await storage.get(step.name, step.range))]
      case 'remove':
        await storage.remove(step.name)
        return 'done'
      case 'list':
        return Object.fromEntries((await storage.list()).objects.map(object => [object.name, object.size]))
    }
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
}

function predict(model: Map<string, Uint8Array>, step: Command): unknown {
  switch (step.do) {
    case 'put': {
      const present = model.get(step.name)
      if (present === undefined) model.set(step.name, step.bytes)
      return present === undefined || Buffer.compare(present, step.bytes) === 0 ? 'done' : 'conflict'
    }
    case 'get': {
      const present = model.get(step.name)
      if (present === undefined) return 'not-found'
      if (step.range === undefined) return [...present]
      const start = step.range.offset < 0 ? present.length + step.range.offset : step.range.offset
      const end = start + step.range.length
      return start < 0 || end > present.length ? 'bad-range' : [...present].slice(start, end)
    }
    case 'remove':
      model.delete(step.name)
      return 'done'
    case 'list':
      return Object.fromEntries([...model].map(([object, bytes]) => [object, bytes.length]))
  }
}

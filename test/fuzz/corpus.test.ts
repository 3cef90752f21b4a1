import { afterAll, describe, expect, it } from 'vitest'
import { corpusOf } from './corpus.ts'
import { Rescue } from './rescue.ts'
import { TARGETS } from './targets/all.ts'

const rescue = new Rescue()
afterAll(() => rescue.close())

describe.each(TARGETS.map(target => [target.name, target] as const))('%s keeps its promises', (_, target) => {
  it('for what its own encoders make', async () => {
    for (const seed of await target.seeds()) await target.run(seed, rescue)
  })

  it('for the inputs that fuzzing has kept', async () => {
    const inputs = corpusOf(target)
    expect(inputs.size).toBeGreaterThan(0)
    const broken: unknown[] = []
    for (const [file, input] of inputs) {
      try {
        await target.run(input, rescue)
      } catch (error) {
        broken.push([file, error])
      }
    }
    expect(broken).toEqual([])
  })
})

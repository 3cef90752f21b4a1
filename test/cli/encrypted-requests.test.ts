import { expect, test } from 'vitest'
import { resultOf, Sandbox, withSandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

test('a command on an encrypted store makes at most one call more than on a plain one', () =>
  withSandbox(async sandbox => {
    const env = { COLAB_ESCAPE_PASSWORD: 'correct horse battery' }
    makeTree(sandbox.in('data'), { 'a.txt': 'first', 'b.txt': 'second' })
    const calls = async (args: string[], store: string): Promise<number> => {
      const run = await new Sandbox(sandbox.path, sandbox.in(store)).run([...args, '--json'], { env })
      expect(run.code, run.stdout).toBe(0)
      const { requests } = resultOf<{ requests: Record<string, number> }>(run)
      return Object.values(requests).reduce((sum, count) => sum + count, 0)
    }
    await calls(['push', 'data', '--encrypt'], 'sealed')
    await calls(['push', 'data'], 'plain')
    for (const args of [
      ['push', 'data'],
      ['pull', 'data', 'out'],
      ['push', 'data', '--reread'],
    ]) {
      const plain = await calls(args, 'plain')
      expect((await calls(args, 'sealed')) - plain, args.join(' ')).toBeLessThanOrEqual(1)
    }
  }))

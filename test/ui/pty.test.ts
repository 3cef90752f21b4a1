import { describe, expect, it } from 'vitest'
import { runInPty } from '../helpers/pty.ts'

describe.concurrent('runInPty', () => {
  it('is like a Colab cell: a terminal without a size that controls nothing', async () => {
    const script = 'test -t 0 && test -t 1 && test -t 2 && stty size && echo $TERM && (: </dev/tty) 2>/dev/null || echo no control; exit 3'
    const { output, exitCode } = await runInPty('sh', ['-c', script])
    expect(output).toBe('0 0\r\nxterm-color\r\nno control\r\n')
    expect(exitCode).toBe(3)
  })

  it('has the size it is told', async () => {
    expect((await runInPty('stty', ['size'], { size: { columns: 20, rows: 5 } })).output).toBe('5 20\r\n')
  })

  it('interrupts the command', async () => {
    const { output, exitCode } = await runInPty('sh', ['-c', 'trap "echo caught; exit 7" INT; while :; do sleep 0.1; done'], {
      interruptAfter: 1,
    })
    expect(output).toBe('caught\r\n')
    expect(exitCode).toBe(7)
  })

  it('kills what does not end, and what never stops writing', async () => {
    const [silent, loud] = await Promise.all([runInPty('sleep', ['60'], { seconds: 0.5 }), runInPty('yes', [])])
    expect(silent.exitCode).toBe(137)
    expect(silent.seconds).toBeLessThan(10)
    expect(loud.exitCode).toBe(137)
    expect(loud.output.length).toBeLessThan(20_000_000)
  })
})

import { describe, expect, it } from 'vitest'
import { type ConsoleOptions, createConsole } from '../../src/ui/console.ts'
import { AppError } from '../../src/util/errors.ts'
import { type Capture, capture } from './capture.ts'

interface Scene {
  show: ReturnType<typeof createConsole>
  stdout: Capture
  stderr: Capture
  clock: { now: number }
}

function scene(options: Partial<ConsoleOptions> = {}, stdout = capture(), stderr = capture()): Scene {
  const clock = { now: 0 }
  const show = createConsole({
    json: false,
    quiet: false,
    verbose: false,
    progress: true,
    colour: true,
    stdout,
    stderr,
    now: () => clock.now,
    ...options,
  })
  return { show, stdout, stderr, clock }
}

function storeFor(seconds: number, { show, clock }: Scene): void {
  for (let tick = 0; tick <= seconds * 10; tick++) {
    clock.now = tick * 100
    show.reporter.progress({ phase: 'storing', doneBytes: tick * 10_000_000, totalBytes: 4_560_000_000 })
  }
}

const events = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as unknown)

describe('plain lines', () => {
  it('come every five seconds, and not at all in a short run', () => {
    const short = scene()
    storeFor(4, short)
    expect(short.stderr.text).toBe('')
    const long = scene()
    storeFor(12, long)
    expect(long.stderr.text).toBe(
      'Storing 500 MB of 4.56 GB, 11%, 100 MB/s, 41 s left\nStoring 1.00 of 4.56 GB, 22%, 100 MB/s, 36 s left\n',
    )
    expect(long.stdout.text).toBe('')
  })

  it('come on a terminal too, where no line can be redrawn', () => {
    const terminal = scene({ redraws: false, colour: false }, capture(true, 80), capture(true, 80))
    storeFor(6, terminal)
    expect(terminal.stderr.text).toBe('Storing 500 MB of 4.56 GB, 11%, 100 MB/s, 41 s left\n')
  })

  it('are left out with --no-progress and --quiet', () => {
    for (const options of [{ progress: false }, { quiet: true }]) {
      const all = scene(options)
      storeFor(12, all)
      expect(all.stderr.text).toBe('')
    }
  })

  it('carry notes, warnings and, with --verbose, details at once and in safe form', () => {
    const { show, stderr } = scene({ verbose: true })
    show.reporter.note('skipped a\x1b[31m\n')
    show.reporter.warn('caf\udce9')
    show.reporter.detail('GET with Bearer abc.def')
    expect(stderr.text).toBe('note: skipped a\\x1b[31m\\n\nwarning: caf\\xe9\nGET with [secret]\n')
    const brief = scene()
    brief.show.reporter.detail('more')
    expect(brief.stderr.text).toBe('')
  })

  it('lose notes but no warnings with --quiet', () => {
    const { show, stderr } = scene({ quiet: true, verbose: true })
    show.reporter.note('a')
    show.reporter.detail('b')
    show.reporter.warn('c')
    expect(stderr.text).toBe('warning: c\n')
  })

  it('stop for good on close', () => {
    const all = scene()
    all.show.close()
    storeFor(12, all)
    expect(all.stderr.text).toBe('')
  })
})

describe('results', () => {
  it('go to stdout as lines', () => {
    const { show, stdout, stderr } = scene()
    show.result(['one line'], {})
    show.result(['a\nb\n'], {})
    show.result(['c', 'd\x1b[2J'], {})
    show.result([], {})
    expect(stdout.text).toBe('one line\na\\nb\\n\nc\nd\\x1b[2J\n')
    expect(stderr.text).toBe('')
  })

  it('are silent with --quiet, what was asked for is not', () => {
    const { show, stdout } = scene({ quiet: true })
    show.result(['receipt'], {})
    show.print(['listing'], {})
    expect(stdout.text).toBe('listing\n')
  })

  it('may be bytes as they are', async () => {
    const { show, stdout } = scene({ json: true, quiet: true })
    expect(await show.write(Buffer.from('\x1b raw'))).toBe(true)
    expect(stdout.text).toBe('\x1b raw')
  })

  it('know their width only on a terminal', () => {
    expect(scene().show.columns).toBe(Infinity)
    expect(scene({}, capture(true, 0)).show.columns).toBe(80)
    expect(scene({}, capture(true, 132)).show.columns).toBe(132)
    expect(scene({ columns: 50 }, capture(true, 132)).show.columns).toBe(50)
  })
})

describe('errors', () => {
  const overwrite = (count: number): AppError =>
    new AppError('would-overwrite', '25 files have changes', {
      hint: 'Use --force.',
      list: Array.from({ length: count }, (_, index) => `file ${index}\n`),
    })

  it('are two lines', () => {
    const { show, stdout, stderr } = scene({ quiet: true })
    show.error(new AppError('not-found', 'no snapshot is called a\nb', { hint: 'Run log.' }))
    expect(stderr.text).toBe('error: no snapshot is called a\\nb\n  -> Run log.\n')
    expect(stdout.text).toBe('')
  })

  it('list at most twenty items', () => {
    const all = scene()
    all.show.error(overwrite(25))
    const lines = all.stderr.text.trimEnd().split('\n')
    expect(lines).toHaveLength(23)
    expect([lines[0], lines[1], lines[20], lines[21], lines[22]]).toEqual([
      'error: 25 files have changes',
      '  file 0\\n',
      '  file 19\\n',
      '  ... and 5 more',
      '  -> Use --force.',
    ])
    const exact = scene()
    exact.show.error(overwrite(20))
    expect(exact.stderr.text).not.toContain('more')
  })

  it.each([
    [new AppError('unauthenticated', 'no login'), 'error: no login\n  -> Run `colab-escape auth login`.\n'],
    [
      Object.assign(new Error("ENOENT: no such file or directory, open 'x'"), { code: 'ENOENT' }),
      "error: ENOENT: no such file or directory, open 'x'\n  -> Check the path and run the same command again.\n",
    ],
    [
      new DOMException('This operation was aborted', 'AbortError'),
      'error: Interrupted.\n  -> Run the same command again: it continues where it stopped.\n',
    ],
    [
      new TypeError('x is not a function'),
      'error: x is not a function\n  -> This is a bug in colab-escape: run again with --verbose and report what it shows.\n',
    ],
    ['thrown text', 'error: thrown text\n  -> This is a bug in colab-escape: run again with --verbose and report what it shows.\n'],
  ])('always say what to do next: %s', (error, text) => {
    const { show, stderr } = scene()
    show.error(error)
    expect(stderr.text).toBe(text)
  })

  it('show stack traces of all causes with --verbose, without secrets', () => {
    const { show, stderr } = scene({ verbose: true })
    show.error(new AppError('unavailable', 'Drive is away', { cause: new Error('Bearer abc refused') }))
    expect(stderr.text).toContain('error: Drive is away\n  -> ')
    expect(stderr.text).toContain('caused by Error: [secret] refused\n    at ')
  })

  it('have colour only on a terminal that may', () => {
    const texts = [scene({}, capture(), capture(true)), scene({ colour: false }, capture(), capture(true)), scene()].map(
      ({ show, stderr }) => {
        show.error(new AppError('io', 'a', { hint: 'b' }))
        show.reporter.note('c')
        return stderr.text
      },
    )
    expect(texts[0]).toBe('\x1b[31merror:\x1b[39m a\n  \x1b[36m->\x1b[39m b\n\x1b[36mnote:\x1b[39m c\n')
    expect(texts[1]).toBe('error: a\n  -> b\nnote: c\n')
    expect(texts[2]).toBe('error: a\n  -> b\nnote: c\n')
  })
})

describe('JSON lines', () => {
  it('are events and one result, all on stdout', () => {
    const all = scene({ json: true })
    all.show.reporter.progress({ phase: 'storing', doneBytes: 1, totalBytes: 2 })
    all.show.reporter.note('a\n')
    all.show.reporter.warn('\x1b\x9b\udcff')
    all.show.result(['human'], { snapshot: 'abc', newBytes: 5 })
    expect(all.stdout.text.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\p{Cs}/u)
    expect(events(all.stdout.text)).toEqual([
      { event: 'progress', phase: 'storing', doneBytes: 1, totalBytes: 2 },
      { event: 'note', message: 'a\n' },
      { event: 'warning', message: '\x1b\x9b\udcff' },
      { event: 'result', snapshot: 'abc', newBytes: 5 },
    ])
    expect(all.stderr.text).toBe('')
  })

  it('report progress at most twice a second', () => {
    const all = scene({ json: true })
    storeFor(10, all)
    expect(events(all.stdout.text)).toHaveLength(21)
  })

  it('obey --no-progress and --quiet', () => {
    const bare = scene({ json: true, progress: false })
    storeFor(2, bare)
    bare.show.reporter.note('a')
    expect(events(bare.stdout.text)).toEqual([{ event: 'note', message: 'a' }])
    const quiet = scene({ json: true, quiet: true })
    storeFor(2, quiet)
    quiet.show.reporter.note('a')
    quiet.show.result(['receipt'], { id: 1 })
    expect(events(quiet.stdout.text)).toEqual([{ event: 'result', id: 1 }])
  })

  it('end with an error that scripts can read', () => {
    const { show, stdout } = scene({ json: true })
    show.error(new AppError('quota', 'Drive is full', { hint: 'Free some space.', list: ['a'] }))
    expect(events(stdout.text)).toEqual([
      { event: 'error', code: 'quota', message: 'Drive is full', hint: 'Free some space.', list: ['a'] },
    ])
  })
})

describe('a reader that went away', () => {
  it('is no error, and nothing more is written', async () => {
    const { show, stdout } = scene()
    stdout.fail('EPIPE')
    show.print(['late'], {})
    expect(await show.write(Buffer.from('late'))).toBe(false)
    expect(stdout.text).toBe('')
  })

  it('is not confused with a full disk', async () => {
    const { show, stdout, stderr } = scene()
    stdout.fail('ENOSPC')
    show.result(['receipt'], {})
    expect(stderr.text).toBe("warning: the output can't be written: write ENOSPC. The command goes on without it\n")
    expect(await show.lost()).toBeUndefined()
    show.print(['answer'], {})
    expect(await show.lost()).toMatchObject({ code: 'quota' })
    await expect(show.write(Buffer.from('late'))).rejects.toMatchObject({ code: 'quota' })
    expect(stdout.text).toBe('')
  })
})

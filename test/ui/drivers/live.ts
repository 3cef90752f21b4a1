// Plays a push on the real streams of this process. Arguments: how many seconds, and `colour` or `plain`.
import { setTimeout as sleep } from 'node:timers/promises'
import { createConsole } from '../../../src/ui/console.ts'
import { AppError } from '../../../src/util/errors.ts'

const [seconds = '2', colour] = process.argv.slice(2)
const { stdout, stderr } = process
const show = createConsole({
  json: false,
  quiet: false,
  verbose: false,
  progress: true,
  colour: colour === 'colour',
  stdout,
  stderr,
  now: () => performance.now(),
})

process.on('SIGINT', () => {
  show.error(new AppError('interrupted', 'Interrupted.', { hint: 'Run the same command again: it continues where it stopped.' }))
  show.close()
  process.exit(130)
})

const total = 4_560_000_000
const steps = Math.round(Number(seconds) * 50)
for (let step = 0; step <= steps; step++) {
  const part = step / steps
  if (part < 0.1) {
    show.reporter.progress({ phase: 'scanning', doneFiles: Math.round(part * 123_450), totalBytes: Math.round(part * 10 * total) })
  } else {
    show.reporter.progress({
      phase: part < 0.97 ? 'storing' : 'committing',
      doneBytes: Math.round(part * total),
      totalBytes: total,
      doneFiles: Math.round(part * 12_345),
      totalFiles: 12_345,
      newBytes: Math.round(part * total),
      storedBytes: Math.round(part * total * 0.37),
    })
  }
  if (step === Math.round(steps * 0.5)) show.reporter.note('skipped the socket run/\x1b[31mx\n.sock')
  if (step === Math.round(steps * 0.6)) show.reporter.warn('could not read secret.bin: permission denied')
  await sleep(20)
}
show.result(['Pushed data: 4.56 GB in 12,345 files', 'Stored 1.69 GB, saved 63%'], {})
show.close()

// Prints until nobody reads any more, then says on stderr that it has noticed.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createConsole } from '../../../src/ui/console.ts'

const { stdout, stderr } = process
const show = createConsole({
  json: false,
  quiet: false,
  verbose: false,
  progress: true,
  colour: false,
  stdout,
  stderr,
  now: () => performance.now(),
})
for (let line = 0; line < 1_000; line++) show.print([`line ${line} ${'x'.repeat(500)}`], {})
await nextTurn()
if (!(await show.write(Buffer.from('more')))) show.reporter.note('nobody reads')
show.close()

import { wrapWords } from '../../ui/wrap.ts'
import type { AppError } from '../../util/errors.ts'
import { ask, askWhile } from '../shared/prompt.ts'
import type { Session } from '../shared/session.ts'

/** The user has typed q. */
export class Quit extends Error {
  override readonly name = 'Quit'
}

/** Questions to somebody at a terminal, who can end it all with q at each of them. */
export class Dialogue {
  private readonly session: Pick<Session, 'console' | 'signal'>

  constructor(session: Pick<Session, 'console' | 'signal'>) {
    this.session = session
  }

  say(...text: string[]): void {
    const { console } = this.session
    console.print(
      text.flatMap(line => fitted(line, console.columns)),
      { command: 'auth setup' },
    )
  }

  sayError({ message, hint }: AppError): void {
    this.say('', message, ...(hint === undefined ? [] : [`  -> ${hint}`]))
  }

  /** The answer without spaces around it. Errors: `Quit`, `interrupted`, `usage` when the input has ended. */
  async ask(question: string): Promise<string> {
    return checked(await ask(question, this.session.signal))
  }

  /** Waits for something, or for an answer that comes before it. */
  async askWhile<T>(question: string, wait: (signal: AbortSignal) => Promise<T>): Promise<{ line: string } | { came: T }> {
    const end = await askWhile(question, this.session.signal, wait)
    return 'line' in end ? { line: checked(end.line) } : end
  }

  /** Enter is `otherwise`. */
  async confirm(question: string, otherwise: boolean): Promise<boolean> {
    for (;;) {
      const answer = (await this.ask(`${question} [${otherwise ? 'Y/n' : 'y/N'}] `)).toLowerCase()
      if (answer === '') return otherwise
      if (['y', 'yes'].includes(answer)) return true
      if (['n', 'no'].includes(answer)) return false
      this.say('Please answer y or n, or q to stop.')
    }
  }
}

function fitted(line: string, columns: number): string[] {
  if (line.length <= columns) return [line]
  const text = line.trimStart()
  const indent = ' '.repeat(line.length - text.length)
  return wrapWords(text, columns - indent.length).map(part => indent + part)
}

function checked(line: string): string {
  const answer = line.trim()
  if (answer.toLowerCase() === 'q') throw new Quit()
  return answer
}

import type { LazyCommand } from '../shared/lazy-command.ts'

export function python(root: LazyCommand): void {
  root
    .command('python')
    .description('print the Python module colab_escape.py, or where it is')
    .option('--path', 'print the folder that holds the module, for sys.path')
    .addHelpText(
      'after',
      `
The module calls this program, and needs Python 3.8 and nothing else. Write it
into the folder of your notebook, or add its folder to Python's sys.path.

Examples:
  colab-escape python > colab_escape.py
  colab-escape python --path`,
    )
    .runs(async () => (await import('./python.ts')).pythonCommand)
}

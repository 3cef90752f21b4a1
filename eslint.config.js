import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const COMMENT_COLUMNS = 120

/**
 * Limits lines of comments, which Prettier does not wrap. A line with a URL may be longer.
 * @type {import('eslint').Rule.RuleModule}
 */
const commentLength = {
  create: context => ({
    Program() {
      const { lines } = context.sourceCode
      for (const { loc } of context.sourceCode.getAllComments()) {
        if (!loc || lines[loc.start.line - 1]?.slice(0, loc.start.column).trim() !== '') continue
        for (const [i, text] of lines.slice(loc.start.line - 1, loc.end.line).entries()) {
          if (text.length <= COMMENT_COLUMNS || text.includes('://')) continue
          const at = { line: loc.start.line + i, column: COMMENT_COLUMNS }
          context.report({ loc: at, message: `A comment line has more than ${COMMENT_COLUMNS} columns.` })
        }
      }
    },
  }),
}

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/kernels/assembly', 'src/kernels/wasm-bytes.ts', 'coverage'] },
  js.configs.recommended,
  {
    plugins: { local: { rules: { 'comment-length': commentLength } } },
    rules: { 'local/comment-length': 'error' },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
    },
  },
  {
    // process.env is read in one room; everything else takes what it needs as an argument
    files: ['src/**/*.ts'],
    ignores: ['src/settings.ts'],
    rules: {
      'no-restricted-properties': ['error', { object: 'process', property: 'env', message: 'Only settings.ts reads the environment.' }],
      'no-console': 'error',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        require: 'readonly',
        module: 'writable',
        performance: 'readonly',
        setTimeout: 'readonly',
      },
    },
  },
)

// SPDX-License-Identifier: MIT
// What docs/benchmarks.md says about all suites.

/** The beginning of the page. */
export function introduction(suites: readonly string[]): string {
  return `# Benchmarks

\`\`\`sh
npm run bench                      # all suites; bench/results.json, this page and its plots are made anew
npm run bench -- memory            # one suite: ${suites.join(', ')}
npm run bench -- memory --save     # one suite, and its part of the results and of this page
npm run bench -- --report          # nothing is measured: this page and its plots from bench/results.json
npm run bench -- file --json       # one line on standard output: {"suite", "figures": {id: number}, "notes"}
npm run bench -- memory --smoke    # everything once or twice, to see that it runs; the figures mean nothing
\`\`\`

A suite takes a minute or two, and runs in a process of its own. Results of one machine and version of Node make up the page: what was measured elsewhere is dropped from it.
With \`npm run -s bench\`, npm itself prints nothing on standard output. Everything on this page below this point but its explanations comes from \`bench/results.json\`.`
}

export const HOW_IT_IS_MEASURED = `All cases of a comparison run in turn, for a few milliseconds each, round after round (A B C A B C …), after each was warmed up. A ratio is
taken within a round, and the figure is the median over the rounds, so that a machine that slows down, or has other work, slows both sides alike.
Young garbage is collected between the slices, so that no case sweeps up after another. Times between processes are taken with
CLOCK_MONOTONIC, which they share.

\`notes\` in the results tells what the figures rest on: the machine, the version of Node, the peers and their versions, the median cost of every case in nanoseconds
(\`median_ns\`), how far half of its rounds lie apart as a part of the median (\`spread\`), and remarks. Trust ratios over single times, and distrust a run
with a large spread. The figures between processes need free cores: on a busy machine they show the machine. *Others* in the table above is the processor time
that other programs took during the second before the suite, while we did nothing; the load is that of the minute before, in which the suite before it ran.

Times that stand side by side in plots and tables are medians of single cases, while a figure is a median of quotients: on a machine with other work the one need not be the
quotient of the others. What is said beside a peer is the figure where there is one.

The library is imported as its users import it, from the built package. Each peer is used as its own documentation says.`

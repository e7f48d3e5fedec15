"""A contract for import-linter: no module imports itself through others, not even for type checking."""

from graphlib import CycleError, TopologicalSorter

import grimp
from importlinter import Contract, ContractCheck, output


class NoCycles(Contract):
    """Reports one circle at a time."""

    type_name = "no_cycles"

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
        try:
            TopologicalSorter(imported).prepare()
        except CycleError as error:
            return ContractCheck(kept=False, metadata={"circle": error.args[1]})
        return ContractCheck(kept=True)

    def render_broken_contract(self, check: ContractCheck) -> None:
        output.print_error("These modules import each other in a circle:")
        for imported, importer in zip(check.metadata["circle"], check.metadata["circle"][1:], strict=False):
            output.print_error(f"  {importer} imports {imported}", bold=False)

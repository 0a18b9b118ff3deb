"""Tables as people have them, read in a stream and encoded as the model spec declares.

Shared by the parties that read records: Data Owners theirs, the Model Owner its test set.
"""

from fedtrain.tabular.check import TableReport, check_table
from fedtrain.tabular.describe import describe_table
from fedtrain.tabular.encode import EncodedBatch, Encoder
from fedtrain.tabular.errors import CODES, BadRow, BadValues, ColumnMismatch, TableError, UnreadableTable
from fedtrain.tabular.reading.read import Table, TableBatch, open_declared_table, open_table
from fedtrain.tabular.tally import Tally

__all__ = [
    "CODES",
    "BadRow",
    "BadValues",
    "ColumnMismatch",
    "EncodedBatch",
    "Encoder",
    "Table",
    "TableBatch",
    "TableError",
    "TableReport",
    "Tally",
    "UnreadableTable",
    "check_table",
    "describe_table",
    "open_declared_table",
    "open_table",
]

from .conformance import BackendConformance as BackendConformance
from .filter_cases import FILTER_CASES as FILTER_CASES
from .filter_cases import FilterCase as FilterCase
from .pictures import EDITS as EDITS
from .pictures import make_near_duplicate as make_near_duplicate
from .pictures import make_picture as make_picture
from .stateful import run_against_a_dict as run_against_a_dict

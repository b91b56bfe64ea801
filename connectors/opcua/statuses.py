"""The words for OPC UA's status codes (pure).

Promises
- A status is named as in the standard, with what it means for the person who reads it.
- The info bits of a status (overflow, limits) do not change its name.
"""

from typing import Any

UNCERTAIN = {
    "Uncertain": "the server is not sure of the value",
    "UncertainConfigurationError": "the sensor's configuration has an error",
    "UncertainDataSubNormal": "fewer good values than needed are behind it",
    "UncertainDependentValueChanged": "a value that it depends on has changed",
    "UncertainDominantValueChanged": "its unit was changed, its value was not yet",
    "UncertainEngineeringUnitsExceeded": "outside the range that the server gives for it",
    "UncertainInitialValue": "an initial value, not yet measured",
    "UncertainLastUsableValue": "the last usable value, no longer updated",
    "UncertainNoCommunicationLastUsableValue": "the last value before the device was lost",
    "UncertainOverRange": "above the sensor's range",
    "UncertainSensorCalibration": "the sensor's calibration has a fault",
    "UncertainSensorNotAccurate": "the sensor is at one of its limits",
    "UncertainSimulatedValue": "simulated",
    "UncertainSubNormal": "fewer good sources than needed are behind it",
    "UncertainSubstituteValue": "set by hand",
    "UncertainTransducerInManual": "the transducer is in manual mode",
    "UncertainUnderRange": "below the sensor's range",
}
"""All that a value can have; `good_enough` names them."""
_BAD = {
    "Bad": "the server gives no reason",
    "BadAttributeIdInvalid": "the node has no value; it is not a variable",
    "BadConfigurationError": "the server's configuration of this node has an error",
    "BadDataLost": "the server lost the value",
    "BadDeviceFailure": "the device behind the server has failed",
    "BadIndexRangeInvalid": "the server takes no element of this value",
    "BadIndexRangeNoData": "the list has no such element",
    "BadNoCommunication": "the server does not reach the device",
    "BadNodeIdInvalid": "the server does not accept this node id",
    "BadNodeIdUnknown": "the server has no such node",
    "BadNotConnected": "the source of the value is not connected at the server",
    "BadNotReadable": "the node cannot be read",
    "BadOutOfService": "the source of the value is out of service",
    "BadSensorFailure": "the sensor has failed",
    "BadUserAccessDenied": "our user may not read it",
    "BadWaitingForInitialData": "the server has no value yet",
}
_WORDS = UNCERTAIN | _BAD
_CODE = 0xFFFF0000


def in_words(status: Any) -> str:
    """Name and meaning of a StatusCode: 'BadNodeIdUnknown: the server has no such node'."""
    plain, name = type(status)(status.value & _CODE), name_of(status)
    if plain.doc.startswith("Unknown"):
        return f"{name}, code 0x{plain.value:08X}"
    meaning = _WORDS.get(name) or plain.doc[:1].lower() + plain.doc[1:].rstrip(".")
    return f"{name}: {meaning}"


def name_of(status: Any) -> str:
    """The standard's name of a StatusCode, without its info bits."""
    return str(type(status)(status.value & _CODE).name)


def code_in_words(code: int) -> str:
    """Name and meaning of a status by its number."""
    from asyncua import ua

    status: Any = ua.StatusCode
    return in_words(status(code))

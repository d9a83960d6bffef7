namespace Vmm.Machine.Served;

/// <summary>What a message between a machine and its device model says.</summary>
internal enum ControlVerb
{
    /// <summary>To either: what became of a request.</summary>
    Answer,

    /// <summary>To the device model, first of all: confine yourself to what these devices need.</summary>
    Confine,

    /// <summary>To the device model: those that were there from the beginning are all added.</summary>
    Complete,

    /// <summary>To the device model: descriptors of TAP queues, for the device that is added next.</summary>
    Files,

    /// <summary>To the device model: serve a device. With its socket.</summary>
    Add,

    /// <summary>To the device model: serve a device on another socket.</summary>
    Connect,

    /// <summary>To the device model: let a device go, with all that the host gave for it.</summary>
    Remove,

    /// <summary>To the device model: what can be changed of a device while it runs, all of it.</summary>
    Set,

    /// <summary>To the device model: make a disk larger.</summary>
    Grow,

    /// <summary>To the device model: record a network's frames in a file that comes along; without one, end that.</summary>
    Capture,

    /// <summary>To the device model: have a guest tell its network where it is.</summary>
    Announce,

    /// <summary>To the device model: give the state of a device that stands still, as JSON.</summary>
    Save,

    /// <summary>To the device model: have a device begin with a state.</summary>
    Restore,

    /// <summary>To the device model: say what all devices have done.</summary>
    Report,

    /// <summary>To the machine: open a file that an image is made of.</summary>
    Open,

    /// <summary>To the machine: a line for people.</summary>
    Note,

    /// <summary>To the machine: a device fails its guest.</summary>
    Trouble,

    /// <summary>To the machine: a queue cannot be served before its device is reset.</summary>
    Broken,
}

namespace Vmm.Machine.Served;

/// <summary>Why a request was not carried out: which exception it would be where it was asked.</summary>
internal enum ControlProblem
{
    /// <summary>It was.</summary>
    None,

    /// <summary>An image is not what was said.</summary>
    Image,

    /// <summary>The host refused.</summary>
    Host,

    /// <summary>There is no such device, or it cannot do that.</summary>
    Device,

    /// <summary>A fault in vmm itself.</summary>
    Fault,
}

namespace Vmm.Control.Xl;

/// <summary>What becomes of a key.</summary>
public enum XlKeyUse
{
    Works,

    /// <summary>Accepted and without effect here.</summary>
    NoEffect,

    /// <summary>A file that has it is not accepted.</summary>
    Refused,
}
